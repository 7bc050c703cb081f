#!lua name=icaze

-- One hash holds one person's grants. Field: a reservation's request or a grant's code, "@", its moment (ms). Value: state, purpose, day, week,
-- node, until (ms), permit. States only rise, R (reserved) to C (confirmed) to X (given back), so that repeats and replays in
-- any order end in the same hash. What a function takes and answers never changes once it is released: another one gets another name, so
-- that gateways of two releases can share the servers. Changes are written again even where nothing changes: WAIT covers only what its connection wrote.

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

-- Which of the quotas ("D:2:1 W:23:7": period, purposes, most) have no room: "D" for one of the day, "W" for one of the week.
local function full(grants, quotas, day, week, fits)
  local in_day, in_week = '', ''
  for per, purposes, most in quotas:gmatch('(%u):(%d+):(%d+)') do
    local used = 0
    for _, g in ipairs(grants) do
      local then_too = (per == 'D' and g.day == day) or (per == 'W' and g.week == week)
      if then_too and fits(g) and purposes:find(tostring(g.purpose), 1, true) then used = used + 1 end
    end
    if used >= tonumber(most) then
      if per == 'D' then in_day = 'D' else in_week = 'W' end
    end
  end
  return in_day .. in_week
end

-- KEYS: person. ARGV: identity, node, now, time-out and time of repeats (ms), purpose, day, week, quotas, and from when on
-- a grant may stand (ms). Answers are words in one string: one value for a client to read, not four.
redis.register_function('icaze_reserve', function(keys, argv)
  local identity, node = argv[1], argv[2]
  local now, timeout, window = tonumber(argv[3]), tonumber(argv[4]), tonumber(argv[5])
  local purpose, day, week = tonumber(argv[6]), tonumber(argv[7]), tonumber(argv[8])
  local quotas, standing_from = argv[9], tonumber(argv[10])
  local grants = read(keys[1])

  for _, g in ipairs(grants) do
    -- No midnight resets an allowance twice, whichever node's clock is ahead.
    if g.state ~= 'X' then day, week = math.max(day, g.day), math.max(week, g.week) end
  end
  local function same(g) return g.identity == identity and math.abs(now - g.at) < window end
  local function open(g) return g.state == 'R' and g.purpose == purpose and g.ends > now end
  local own = last(grants, function(g) return g.state == 'C' and g.ends > now and same(g) end)
  if own then
    write(keys[1], own)
    return 'confirmed ' .. own.field .. ' ' .. own.permit
  end
  own = last(grants, function(g) return same(g) and open(g) and g.node == node end)
  if own then
    write(keys[1], own)
    return 'reserved ' .. own.field
  end
  local function stands(g) return g.state == 'C' and g.purpose == purpose and g.ends > now and g.at >= standing_from end
  local standing = last(grants, stands)
  if standing then return 'standing ' .. standing.field .. ' ' .. standing.permit end
  if last(grants, open) then return 'busy' end
  local used = full(grants, quotas, day, week, function(g) return g.state == 'C' end)
  if used ~= '' then return 'used ' .. used end
  -- What is only reserved may be given back: another purpose's reservation has the last place for now.
  if full(grants, quotas, day, week, function(g) return counts(g, now) end) ~= '' then return 'busy' end

  for _, g in ipairs(grants) do
    local lapsed = g.state == 'R' and g.ends + window < now
    if lapsed or (g.week + 1 < week and g.ends < now and g.at + window < now) then redis.call('HDEL', keys[1], g.field) end
  end
  local field = string.format('%s@%.0f', identity, now)
  write(keys[1], {
    field = field, state = 'R', purpose = purpose, day = day, week = week, node = node, ends = now + timeout,
    -- Its confirmation has to know which permits stand.
    permit = argv[10],
  })
  return 'reserved ' .. field
end)

-- KEYS: person, conflicts. ARGV: grant, node, now, purpose, day, week, quotas, the permit's end (ms), permit, "live" before
-- the acknowledgement, "replay" for what a ledger holds as acknowledged or "end" to bring only the end forward, and the
-- reservation whose place it takes, "*" for any of this node's, or "".
redis.register_function('icaze_confirm', function(keys, argv)
  local field, node, now = argv[1], argv[2], tonumber(argv[3])
  local purpose, day, week = tonumber(argv[4]), tonumber(argv[5]), tonumber(argv[6])
  local quotas, ends, permit, mode, hold = argv[7], tonumber(argv[8]), argv[9], argv[10], argv[11]
  local grants = read(keys[1])
  local own = find(grants, field)

  if own and own.state == 'X' then
    write(keys[1], own)
    return 'released'
  end
  if own and own.state == 'C' then
    -- The earlier end is the truth: a permit that was revoked stays so.
    own.ends = math.min(own.ends, ends)
    write(keys[1], own)
    return 'confirmed'
  end
  if mode == 'end' then return 'late' end
  local function held(g)
    return g.field == hold or (hold == '*' and g.state == 'R' and g.node == node and g.purpose == purpose)
  end
  local others, holds, standing_from = {}, {}, own and tonumber(own.permit) or 0
  for _, g in ipairs(grants) do
    if held(g) then standing_from = math.max(standing_from, tonumber(g.permit) or 0) end
    if g ~= own then table.insert(held(g) and holds or others, g) end
  end
  -- There is one permit for a purpose at once, whatever quotas say: those that stand within this one's time, by state.
  local from = tonumber(field:match('@(%d+)$')) or now
  local function stands(fits)
    return last(others, function(g)
      return g.purpose == purpose and g.ends > from and g.at < ends and g.at >= standing_from and fits(g)
    end) ~= nil
  end
  -- A reservation that has not run out holds its place; one that was lost or ran out has to find one.
  local function counting(g) return counts(g, now) end
  local over = stands(counting) or full(others, quotas, day, week, counting) ~= ''
  if over and mode == 'live' then return 'late' end

  for _, g in ipairs(holds) do redis.call('HDEL', keys[1], g.field) end
  write(keys[1], {
    field = field, state = 'C', purpose = purpose, day = day, week = week, node = node, ends = ends, permit = permit,
  })
  -- Only grants against grants: a reservation that stands here has yet to be confirmed, and will be told.
  local function granted(g) return g.state == 'C' end
  if stands(granted) or full(others, quotas, day, week, granted) ~= '' then
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

-- KEYS: block of a node's codes. ARGV: where in it, and the persons of the codes from there on.
redis.register_function('icaze_index', function(keys, argv)
  redis.call('SETRANGE', keys[1], argv[1], argv[2])
  redis.call('EXPIRE', keys[1], KEPT_S)
  return 'indexed'
end)

-- One hash holds the replies of one node to one operator. Field: the ledger's entry. Value: who holds the reply ("-" the node
-- that decided it, a number another node, "=" nobody: it has ended), and the sealed reply or how it ended.
local function holder_of(value)
  local blank = value:find(' ', 1, true)
  return value:sub(1, blank - 1), value:sub(blank + 1)
end

-- KEYS: replies. ARGV: entry (8 bytes), length (4 bytes), both big-endian, and sealed reply, again and again. What is there stays: a
-- late repeat takes nothing from who claimed it.
redis.register_function('icaze_keep', function(keys, argv)
  local packed, at = argv[1], 1
  while at < #packed do
    local high, low, length = struct.unpack('>I4I4I4', packed, at)
    local reply = packed:sub(at + 12, at + 11 + length)
    redis.call('HSETNX', keys[1], string.format('%.0f', high * 4294967296 + low), '- ' .. reply)
    at = at + 12 + length
  end
  redis.call('EXPIRE', keys[1], KEPT_S)
  return 'kept'
end)

-- KEYS: replies. ARGV: entries whose ends are in their node's ledger.
redis.register_function('icaze_drop', function(keys, argv)
  redis.call('HDEL', keys[1], unpack(argv))
  redis.call('EXPIRE', keys[1], KEPT_S)
  return 'dropped'
end)

-- KEYS: the lease of the replies' node, replies. ARGV: who claims, whether it wants what it holds again, cursor, page, and which
-- nodes are gone. A lease that is held keeps others away from what its node holds.
redis.register_function('icaze_claim', function(keys, argv)
  local by, again, gone = argv[1], argv[2] == '1', {}
  for i = 5, #argv do gone[argv[i]] = true end
  gone['-'] = redis.call('EXISTS', keys[1]) == 0
  local page = redis.call('HSCAN', keys[2], argv[3], 'COUNT', argv[4])
  local claimed = {}
  for i = 1, #page[2], 2 do
    local holder, rest = holder_of(page[2][i + 1])
    if holder ~= by and gone[holder] then
      redis.call('HSET', keys[2], page[2][i], by .. ' ' .. rest)
    elseif not (holder == by and again) then
      rest = nil
    end
    if rest then
      claimed[#claimed + 1] = page[2][i]
      claimed[#claimed + 1] = rest
    end
  end
  return { page[1], claimed }
end)

-- KEYS: replies. ARGV: cursor, page. Who holds what, or how it ended, without the replies themselves.
redis.register_function('icaze_whereabouts', function(keys, argv)
  local page = redis.call('HSCAN', keys[1], argv[1], 'COUNT', argv[2])
  for i = 2, #page[2], 2 do
    local holder, rest = holder_of(page[2][i])
    page[2][i] = holder .. ' ' .. (holder == '=' and rest or '')
  end
  return page
end)

-- KEYS: replies. ARGV: who holds them, and entry and how it ended, again and again; "back": another may send it.
redis.register_function('icaze_end', function(keys, argv)
  for i = 2, #argv, 2 do
    local holder, rest
    local value = redis.call('HGET', keys[1], argv[i])
    if value then holder, rest = holder_of(value) end
    if holder == argv[1] then
      redis.call('HSET', keys[1], argv[i], argv[i + 1] == 'back' and '- ' .. rest or '= ' .. argv[i + 1])
    end
  end
  return 'ended'
end)
