// An OpenID Connect issuer: panva's oidc-provider, with keys that are new at each start, one for each kind of signature.
//
// Arguments: its port, and where browsers find the gateway. Says "ready ISSUER", then answers orders of one line of JSON each:
// {"scope", "resource"}: an access token by client credentials; {"forge": claims, "alg", "kid"}: one signed by hand.
import { createHmac } from 'node:crypto';
import { createInterface } from 'node:readline';

// Notices of the library would stand among the answers.
console.info = console.error;
const [port, site] = process.argv.slice(2);
const modules = `${process.env.PEERS}/node_modules`;
const { default: Provider } = await import(`${modules}/oidc-provider/lib/index.js`);
const jose = await import(`${modules}/jose/dist/node/esm/index.js`);

const issuer = `http://127.0.0.1:${port}`;
const keys = {};
for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA']) {
  const { privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const kid = `${alg}-${Date.now()}`;
  keys[alg] = { privateKey, kid, jwk: { ...(await jose.exportJWK(privateKey)), kid, use: 'sig', alg } };
}
const scopes = ['inspector', 'health', 'admin', 'auditor'].map((scope) => `icaze:${scope}`);

const provider = new Provider(issuer, {
  jwks: { keys: Object.values(keys).map((key) => key.jwk) },
  cookies: { keys: ['for tests'] },
  clients: [
    {
      client_id: 'icaze',
      client_secret: 'secret+of 100%: the gateway',
      redirect_uris: [`${site}/login/oidc/callback`],
      post_logout_redirect_uris: [`${site}/login`],
    },
    {
      client_id: 'patrol-cars',
      client_secret: 'secret of the cars',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
    },
  ],
  scopes: ['openid', ...scopes],
  claims: { openid: ['sub', 'institution', 'scope'] },
  conformIdTokenClaims: false,
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({ sub, institution: 'Ministry of Health', scope: `openid icaze:${sub}` }),
  }),
  extraTokenClaims: () => ({ institution: 'Baku police' }),
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        scope: scopes.join(' '),
        audience: resource,
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});

const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function forge({ forge, alg, kid }) {
  const claims = { iss: issuer, sub: 'forged', scope: 'icaze:inspector', ...forge };
  const key = keys[alg] ?? keys.RS256;
  const header = { alg, kid: kid ?? key.kid };
  const text = `${base64(header)}.${base64(claims)}`;
  if (alg === 'none') return `${text}.`;
  // With what everybody knows of the key as the secret.
  if (alg === 'HS256') return `${text}.${createHmac('sha256', key.jwk.n).update(text).digest('base64url')}`;
  return new jose.SignJWT(claims).setProtectedHeader(header).sign(key.privateKey);
}

async function issue({ scope, resource }) {
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from('patrol-cars:secret of the cars').toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope, resource }),
  });
  const tokens = await answer.json();
  if (!tokens.access_token) throw new Error(JSON.stringify(tokens));
  return tokens.access_token;
}

provider.listen(Number(port), '127.0.0.1', async () => {
  console.log(`ready ${issuer}`);
  for await (const line of createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    console.log(await (order.forge ? forge(order) : issue(order)));
  }
  process.exit(0);
});
