#!lua name=icaze

-- One hash holds one person's grants. Field: identity, "@", when it was first asked (ms). Value: state, purpose, day, week,
-- node, until (ms), permit. States only rise, R (reserved) to C (confirmed) to X (given back), so that repeats and replays in
-- any order end in the same hash. Changes are written again even where nothing changes: WAIT covers only what its connection wrote.

local KEPT_S = 15 * 24 * 3600

local function read(key)
  local grants, flat = {}, redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local identity, at = flat[i]:match('^(.*)@(%d+)$')
    local state, purpose, day, week, node, ends, permit = flat[i + 1]:match('^(%u) (%d+) (%d+) (%d+) (%S+) (%d+) ?(.*)$')
    grants[#grants + 1] = {
      field = flat[i], identity = identity, at = tonumber(at), state = state, purpose = tonumber(purpose),
      day = tonumber(day), week = tonumber(week), node = node, ends = tonumber(ends), permit = permit,
    }
  end
  return grants
end

local function write(key, g)
  local value = string.format('%s %d %d %d %s %.0f %s', g.state, g.purpose, g.day, g.week, g.node, g.ends, g.permit)
  redis.call('HSET', key, g.field, value)
  redis.call('EXPIRE', key, KEPT_S)
end

local function find(grants, field)
  for _, g in ipairs(grants) do
    if g.field == field then return g end
  end
end

-- Of those that `fits` takes, the one that ends last; the same one whatever order the hash is in.
local function last(grants, fits)
  local best
  for _, g in ipairs(grants) do
    if fits(g) and (not best or g.ends > best.ends or (g.ends == best.ends and g.field < best.field)) then best = g end
  end
  return best
end

-- Who counts at `now`: what is confirmed, and what is reserved and has not run out.
local function counts(g, now)
  return g.state == 'C' or (g.state == 'R' and g.ends > now)
end

local function used(grants, purpose, day, week, now)
  local in_day, in_week = 0, 0
  for _, g in ipairs(grants) do
    if g.purpose == purpose and counts(g, now) then
      if g.day == day then in_day = in_day + 1 end
      if g.week == week then in_week = in_week + 1 end
    end
  end
  return in_day, in_week
end

-- KEYS: person. ARGV: identity, node, now, time-out and time of repeats (ms), purpose, day, week, most in a day and a week.
redis.register_function('icaze_reserve', function(keys, argv)
  local identity, node = argv[1], argv[2]
  local now, timeout, window = tonumber(argv[3]), tonumber(argv[4]), tonumber(argv[5])
  local purpose, day, week = tonumber(argv[6]), tonumber(argv[7]), tonumber(argv[8])
  local day_max, week_max = tonumber(argv[9]), tonumber(argv[10])
  local grants = read(keys[1])

  for _, g in ipairs(grants) do
    -- No midnight resets an allowance twice, whichever node's clock is ahead.
    if g.state ~= 'X' then day, week = math.max(day, g.day), math.max(week, g.week) end
  end
  local function same(g) return g.identity == identity and math.abs(now - g.at) < window end
  local function open(g) return g.state == 'R' and g.purpose == purpose and g.ends > now end
  local own = last(grants, function(g) return g.state == 'C' and same(g) end)
  if own then
    write(keys[1], own)
    return { 'confirmed', own.field, own.permit }
  end
  own = last(grants, function(g) return same(g) and open(g) and g.node == node end)
  if own then
    write(keys[1], own)
    return { 'reserved', own.field, '' }
  end
  local standing = last(grants, function(g) return g.state == 'C' and g.purpose == purpose and g.ends > now end)
  if standing then return { 'standing', standing.field, standing.permit } end
  if last(grants, open) then return { 'busy', '', '' } end
  local in_day, in_week = used(grants, purpose, day, week, now)
  if in_day >= day_max or in_week >= week_max then return { 'used', '', '' } end

  for _, g in ipairs(grants) do
    local lapsed = g.state == 'R' and g.ends + window < now
    if lapsed or (g.week + 1 < week and g.ends < now and g.at + window < now) then redis.call('HDEL', keys[1], g.field) end
  end
  local field = string.format('%s@%.0f', identity, now)
  write(keys[1], {
    field = field, state = 'R', purpose = purpose, day = day, week = week, node = node, ends = now + timeout, permit = '',
  })
  return { 'reserved', field, '' }
end)

-- KEYS: person, conflicts. ARGV: grant, node, now, purpose, day, week, most in a day and a week, the permit's end (ms),
-- permit, and "live" before the acknowledgement or "replay" for what a ledger holds as acknowledged.
redis.register_function('icaze_confirm', function(keys, argv)
  local field, node, now = argv[1], argv[2], tonumber(argv[3])
  local purpose, day, week = tonumber(argv[4]), tonumber(argv[5]), tonumber(argv[6])
  local day_max, week_max = tonumber(argv[7]), tonumber(argv[8])
  local grants = read(keys[1])
  local own = find(grants, field)

  if own and own.state == 'X' then
    write(keys[1], own)
    return 'released'
  end
  if own and own.state == 'C' then
    write(keys[1], own)
    return 'confirmed'
  end
  local others = {}
  for _, g in ipairs(grants) do
    if g ~= own then others[#others + 1] = g end
  end
  local in_day, in_week = used(others, purpose, day, week, now)
  local over = in_day >= day_max or in_week >= week_max
  -- A reservation that has not run out holds its place; one that was lost or ran out has to find one.
  if over and argv[11] == 'live' then return 'late' end

  write(keys[1], {
    field = field, state = 'C', purpose = purpose, day = day, week = week, node = node, ends = tonumber(argv[9]),
    permit = argv[10],
  })
  -- Only grants against grants: a reservation that stands here has yet to be confirmed, and will be told.
  local granted_day, granted_week = 0, 0
  for _, g in ipairs(others) do
    if g.purpose == purpose and g.state == 'C' then
      if g.day == day then granted_day = granted_day + 1 end
      if g.week == week then granted_week = granted_week + 1 end
    end
  end
  if granted_day >= day_max or granted_week >= week_max then
    redis.call('SADD', keys[2], field)
    return 'conflict'
  end
  return 'confirmed'
end)

-- KEYS: person. ARGV: grant, node, purpose, day, week. Ends a reservation, or gives a grant back; the mark stays, so that
-- neither a late confirmation nor a replay brings it back.
redis.register_function('icaze_release', function(keys, argv)
  write(keys[1], {
    field = argv[1], state = 'X', purpose = tonumber(argv[3]), day = tonumber(argv[4]), week = tonumber(argv[5]),
    node = argv[2], ends = 0, permit = '',
  })
  return 'released'
end)
