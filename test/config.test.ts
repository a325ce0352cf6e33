import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { ConfigError, readConfig } from '../config.js'

const JWT_SECRET = 'a secret for tests only, 32 bytes or more'
const pem = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString()

await t.test('defaults', async t => {
  t.match(readConfig({ JWT_SECRET }), {
    host: '127.0.0.1',
    port: 3000,
    logLevel: 'info',
    trustProxy: false,
    corsOrigins: [],
    chat: { databaseUrl: 'file:./data/chat.db', jwt: { secret: JWT_SECRET }, accounts: true, page: true, health: true, metrics: true }
  })
  t.match(readConfig({ JWT_SECRET: `  ${JWT_SECRET}\n`, PORT: '', REDIS_URL: ' ' }), { port: 3000 }, 'an empty variable is as good as none')
})

await t.test('values', async t => {
  t.match(readConfig({
    JWT_SECRET,
    HOST: '::1',
    PORT: '0',
    METRICS_PORT: '9100',
    DATABASE_URL: 'postgres://u:p@h/d',
    REDIS_URL: 'rediss://h',
    CORS_ORIGIN: 'https://a.example, http://b.example:8080',
    ACCOUNTS: 'off',
    HEARTBEAT_MS: '100',
    STALE_AFTER_MS: '2000',
    MAX_STREAMS_PER_USER: '3',
    MAX_CONVERSATIONS_PER_USER: '500',
    MAX_GROUPS_PER_DAY: '20',
    MAX_STREAMS: '10',
    STREAM_BUFFER_BYTES: '65536',
    EVENT_RETENTION_DAYS: '30',
    RATE_LIMIT_PER_MINUTE: '600',
    TRUST_PROXY: '10.0.0.0/8, ::1',
    PAGE: 'OFF',
    LOG_LEVEL: 'warn',
    NODE_ENV: 'production'
  }), {
    host: '::1',
    port: 0,
    metricsPort: 9100,
    corsOrigins: ['https://a.example', 'http://b.example:8080'],
    trustProxy: '10.0.0.0/8, ::1',
    chat: {
      databaseUrl: 'postgres://u:p@h/d',
      accounts: false,
      metrics: 'apart',
      page: false,
      heartbeatMs: 100,
      staleAfterMs: 2000,
      maxStreamsPerUser: 3,
      maxConversationsPerUser: 500,
      maxGroupsPerDay: 20,
      maxStreams: 10,
      streamBufferBytes: 65_536,
      eventRetentionDays: 30,
      rateLimitPerMinute: 600
    }
  })
  t.match(readConfig({ NODE_ENV: 'production', JWT_PUBLIC_KEY: pem.replaceAll('\n', '\\n') }), { chat: { jwt: { publicKey: pem }, accounts: false } }, 'with a public key no secret is needed')
  t.match(readConfig({ NODE_ENV: 'production', JWT_JWKS_URL: 'https://id.example/keys', JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'chat' }),
    { chat: { jwt: { jwksUrl: 'https://id.example/keys', issuer: 'https://id.example', audience: 'chat' }, accounts: false } })
})

await t.test('who is believed about addresses', async t => {
  for (const [value, trustProxy] of [['on', true], ['off', false], ['10.0.0.7', '10.0.0.7'], ['loopback, fd00::/8', 'loopback, fd00::/8'],
    ['uniquelocal', 'uniquelocal']] as const) {
    t.equal(readConfig({ JWT_SECRET, TRUST_PROXY: value }).trustProxy, trustProxy, value)
  }
})

await t.test('DATABASE_URL is whatever the driver can read', async t => {
  for (const url of [
    'postgresql://user@/db?host=/var/run/postgresql', 'postgres://user:p%40ss@/db?host=/tmp&port=5433', 'postgres:///db?host=/var/run/postgresql', 'postgres://%2Fvar%2Frun%2Fpostgresql/db', 'postgres:///db', 'postgres://h', 'postgres://u:p@[::1]:5432/d?schema=x&sslmode=disable'
  ]) t.match(readConfig({ JWT_SECRET, DATABASE_URL: url }), { chat: { databaseUrl: url } }, url)
})

await t.test('a bad value is named, and not shown', async t => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ type: 'spki', format: 'pem' }).toString()
  for (const [name, ...values] of [
    ['PORT', 'http', '65536', '-1', '1.5', '0x10'],
    ['METRICS_PORT', 'http', '65536', '3000'],
    ['DATABASE_URL', 'mysql://root:pass-word@h/db', 'chat.db', 'file:', 'file::memory:', 'postgres://user:pass-word@h:port/db', 'postgres:/db', 'POSTGRES://h/d', 'postgres://h/d?sslrootcert=/nowhere/at/all'],
    ['REDIS_URL', 'http://x', 'redis'],
    ['JWT_SECRET', 'short', 'x'.repeat(31)],
    ['JWT_PUBLIC_KEY', 'no key', weak, generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ type: 'spki', format: 'pem' }).toString()],
    ['JWT_JWKS_URL', 'nowhere', 'ftp://x/keys', 'https://name:pass-word@id.example/keys'],
    ['CORS_ORIGIN', 'other.org', 'https://a.example/path', 'https://a.example, b'],
    ['ACCOUNTS', 'maybe'],
    ['HEARTBEAT_MS', '99', 'soon', '99999999999'],
    ['STALE_AFTER_MS', '99', '-1'],
    ['MAX_STREAMS_PER_USER', '0'],
    ['MAX_CONVERSATIONS_PER_USER', '0'],
    ['MAX_GROUPS_PER_DAY', '-1'],
    ['MAX_STREAMS', 'many'],
    ['STREAM_BUFFER_BYTES', '1023', '1e6'],
    ['EVENT_RETENTION_DAYS', '0', '-1', 'long'],
    ['RATE_LIMIT_PER_MINUTE', '0', '1.5'],
    ['TRUST_PROXY', 'perhaps!', '999.1.1.1', '10.0.0.0/33', '::1/129', '10.0.0.0/0', '1:2', '10.0.0.1,', '1', 'loopback, somewhere'],
    ['LOG_LEVEL', 'loud'],
    ['PAGE', 'yes please']
  ] as Array<[string, ...string[]]>) {
    for (const value of values) {
      try {
        readConfig({ JWT_SECRET, [name]: value })
        t.fail(`${name}=${value} is taken`)
      } catch (error) {
        t.ok(error instanceof ConfigError)
        const { message } = error as Error
        t.match(message, new RegExp(`^${name} must `), `${name}=${value.slice(0, 20)}`)
        t.notMatch(message, /\n/)
        if (value.length > 5) t.notOk(message.includes(value), 'the value is not shown')
      }
    }
  }
  t.throws(() => readConfig({ NODE_ENV: 'production' }), /^JWT_SECRET must be set in production/)
  t.throws(() => readConfig({ JWT_PUBLIC_KEY: pem, ACCOUNTS: 'on' }), /^ACCOUNTS must be off/)
  t.throws(() => readConfig({ JWT_PUBLIC_KEY: pem, JWT_JWKS_URL: 'https://id.example/keys' }), /must be unset/)
})
