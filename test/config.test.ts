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
    chat: { databaseUrl: 'file:./data/chat.db', jwt: { secret: JWT_SECRET }, accounts: true, page: true, health: true, metrics: true, files: { dir: './data/files' } }
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
    ADMIN_CLAIM: 'https://example.com/operator',
    SERVICE_KEYS: `orders:csk_${'a'.repeat(28)}, crm:sha256:${'0f'.repeat(32)}`,
    CORS_ORIGIN: 'https://a.example, http://b.example:8080',
    ACCOUNTS: 'off',
    HEARTBEAT_MS: '100',
    STALE_AFTER_MS: '2000',
    MAX_STREAMS_PER_USER: '3',
    MAX_CONVERSATIONS_PER_USER: '500',
    MAX_GROUPS_PER_DAY: '20',
    MAX_STREAMS: '10',
    FILES: 'local',
    FILES_DIR: '/srv/files',
    MAX_FILE_BYTES: '1000',
    FILE_TYPES: 'image/*, Application/PDF',
    STREAM_BUFFER_BYTES: '65536',
    EVENT_RETENTION_DAYS: '30',
    RECEIPT_DAYS: '14',
    MAX_TEXT_LENGTH: '16000',
    WEBHOOK_ALLOW_PRIVATE: 'on',
    DIRECTORY: 'all',
    SEARCH: 'off',
    BEFORE_HOOK_URL: 'https://example.com/before',
    BEFORE_HOOK_SECRET: `whsec_${'A'.repeat(32)}`,
    HOOK_TIMEOUT_MS: '500',
    HOOK_FAILURE: 'allow',
    RATE_LIMIT_PER_MINUTE: '600',
    TRUST_PROXY: '10.0.0.0/8, ::1',
    PAGE: 'OFF',
    WIDGET: 'on',
    FRAME_ANCESTORS: 'self, https://*.example.com',
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
      adminClaim: 'https://example.com/operator',
      serviceKeys: `orders:csk_${'a'.repeat(28)}, crm:sha256:${'0f'.repeat(32)}`,
      accounts: false,
      metrics: 'apart',
      page: false,
      widget: true,
      frameAncestors: ['self', 'https://*.example.com'],
      heartbeatMs: 100,
      staleAfterMs: 2000,
      maxStreamsPerUser: 3,
      maxConversationsPerUser: 500,
      maxGroupsPerDay: 20,
      maxStreams: 10,
      files: { dir: '/srv/files' },
      maxFileBytes: 1000,
      fileTypes: ['image/*', 'application/pdf'],
      streamBufferBytes: 65_536,
      eventRetentionDays: 30,
      receiptDays: 14,
      maxTextLength: 16_000,
      webhookAllowPrivate: true,
      directory: 'all',
      search: false,
      beforeHookUrl: 'https://example.com/before',
      beforeHookSecret: `whsec_${'A'.repeat(32)}`,
      hookTimeoutMs: 500,
      hookFailure: 'allow',
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
    ['SERVICE_KEYS', 'csk_alone-without-a-name-that-says-whose', 'orders:short', `orders:csk_${'a'.repeat(27)}`, `orders:csk_${'a'.repeat(28)},`, 'crm:sha256:0f', `a b:csk_${'a'.repeat(28)}`],
    ['FRAME_ANCESTORS', '*', "'self'", 'https://a.example; script-src *', 'https://a.example/path', 'a.example'],
    ['BEFORE_HOOK_URL', 'nowhere', 'ftp://x/', 'https://name:pass-word@example.com/'],
    ['BEFORE_HOOK_SECRET', 'whsec_c2hvcnQ=', 'x'.repeat(40)],
    ['HOOK_TIMEOUT_MS', '0'],
    ['HOOK_FAILURE', 'ignore'],
    ['ACCOUNTS', 'maybe'],
    ['HEARTBEAT_MS', '99', 'soon', '99999999999'],
    ['STALE_AFTER_MS', '99', '-1'],
    ['MAX_STREAMS_PER_USER', '0'],
    ['MAX_CONVERSATIONS_PER_USER', '0'],
    ['MAX_GROUPS_PER_DAY', '-1'],
    ['MAX_STREAMS', 'many'],
    ['FILES', 'on', 'bucket'],
    ['MAX_FILE_BYTES', '0', '25 MB', '99999999999'],
    ['FILE_TYPES', 'pictures', 'image/*,,text/plain', 'image/png;q=1'],
    ['STREAM_BUFFER_BYTES', '1023', '1e6'],
    ['EVENT_RETENTION_DAYS', '0', '-1', 'long'],
    ['RECEIPT_DAYS', '0', '-1', 'off'],
    ['MAX_TEXT_LENGTH', '0', '16001', 'long'],
    ['DIRECTORY', 'on', 'everybody'],
    ['WEBHOOK_ALLOW_PRIVATE', 'maybe', 'localhost'],
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
  t.equal(readConfig({ JWT_SECRET, FILES: 'off' }).chat.files, false)
  t.throws(() => readConfig({ JWT_SECRET, BEFORE_HOOK_URL: 'https://example.com/' }), /^BEFORE_HOOK_SECRET must be set/)
  t.throws(() => readConfig({ JWT_SECRET, BEFORE_HOOK_SECRET: `whsec_${'A'.repeat(32)}` }), /^BEFORE_HOOK_URL must be set/)
  t.throws(() => readConfig({ NODE_ENV: 'production' }), /^JWT_SECRET must be set in production/)
  t.throws(() => readConfig({ JWT_PUBLIC_KEY: pem, ACCOUNTS: 'on' }), /^ACCOUNTS must be off/)
  t.throws(() => readConfig({ JWT_PUBLIC_KEY: pem, JWT_JWKS_URL: 'https://id.example/keys' }), /must be unset/)
})
