import SqliteConnection from 'better-sqlite3'
import pg from 'pg'
import t from 'tap'
import { isChatError } from '../../errors.js'
import { CommitUnknown, refusalOf } from '../../store/outage.js'
import { consequencesOf, readingOf, sqliteCodes, sqlStates, type Reading } from '../../store/reading.js'

/** The error as the driver throws it. */
const postgresError = (code: string, message = 'said by the server'): Error =>
  Object.assign(new pg.DatabaseError(message, 0, 'error'), { code })

/** The error as Prisma wraps it. */
const wrapped = (cause: object): Error =>
  Object.assign(new Error('Raw query failed'), { code: 'P2010', meta: { driverAdapterError: Object.assign(new Error('x'), { cause }) } })

const isUnavailable = (error: unknown): boolean => isChatError(refusalOf(error), 'UNAVAILABLE')

/** Each class of SQLSTATE, and codes that differ from their class. `mistake` and `orphan` do not count as unavailable. */
const states: Record<string, Reading> = {
  '08000': 'away',
  '08001': 'away',
  '08003': 'dropped',
  '08004': 'away',
  '08006': 'dropped',
  '08P01': 'away',
  '09000': 'ruled',
  '0A000': 'stale',
  '0LP01': 'refused',
  '0P000': 'refused',
  21000: 'mistake',
  22001: 'mistake',
  22021: 'mistake',
  '22P02': 'mistake',
  '22P05': 'mistake',
  23502: 'mistake',
  23503: 'orphan',
  23505: 'mistake',
  25001: 'mistake',
  25006: 'readOnly',
  '25P02': 'stale',
  '25P03': 'dropped',
  '25P04': 'exhausted',
  26000: 'stale',
  27000: 'ruled',
  28000: 'refused',
  '28P01': 'refused',
  '2BP01': 'refused',
  38000: 'ruled',
  39000: 'ruled',
  '3D000': 'refused',
  '3F000': 'refused',
  40001: 'conflict',
  40003: 'conflict',
  '40P01': 'conflict',
  42501: 'refused',
  42601: 'mistake',
  42703: 'refused',
  42704: 'refused',
  42804: 'refused',
  42809: 'refused',
  42883: 'refused',
  '42P01': 'refused',
  '42P05': 'stale',
  '42P10': 'refused',
  '428C9': 'refused',
  44000: 'ruled',
  53000: 'exhausted',
  53100: 'exhausted',
  53200: 'exhausted',
  53300: 'exhausted',
  53400: 'exhausted',
  54000: 'mistake',
  55000: 'refused',
  55006: 'refused',
  '55P03': 'locked',
  57000: 'away',
  57014: 'exhausted',
  '57P01': 'dropped',
  '57P02': 'dropped',
  '57P03': 'away',
  '57P04': 'away',
  '57P05': 'away',
  58000: 'damaged',
  58030: 'damaged',
  '58P01': 'damaged',
  72000: 'conflict',
  F0000: 'damaged',
  HV000: 'damaged',
  P0001: 'ruled',
  XX000: 'damaged',
  XX001: 'damaged',
  XX002: 'damaged'
}

t.test('SQLSTATEs, as the driver and as Prisma tell them', async t => {
  for (const [code, reading] of Object.entries(states)) {
    t.equal(readingOf(postgresError(code)), reading, code)
    t.equal(readingOf(wrapped({ kind: 'postgres', originalCode: code, code, message: 'x' })), reading, `${code}, through Prisma`)
    t.equal(isUnavailable(postgresError(code)), reading !== 'mistake' && reading !== 'orphan', `${code}: 503 or not`)
  }
  for (const key of Object.keys(sqlStates)) t.ok(Object.keys(states).some(code => code.startsWith(key)), `${key} is tested`)
})

/** Result codes, and an extended code of each. */
const codes: Record<string, Reading> = {
  SQLITE_AUTH: 'refused',
  SQLITE_BUSY: 'locked',
  SQLITE_BUSY_RECOVERY: 'locked',
  SQLITE_BUSY_SNAPSHOT: 'conflict',
  SQLITE_CANTOPEN: 'refused',
  SQLITE_CANTOPEN_ISDIR: 'refused',
  SQLITE_CONSTRAINT_FOREIGNKEY: 'orphan',
  SQLITE_CONSTRAINT_TRIGGER: 'ruled',
  SQLITE_CONSTRAINT_UNIQUE: 'mistake',
  SQLITE_CORRUPT: 'damaged',
  SQLITE_CORRUPT_INDEX: 'damaged',
  SQLITE_EMPTY: 'damaged',
  SQLITE_FULL: 'exhausted',
  SQLITE_INTERNAL: 'damaged',
  SQLITE_INTERRUPT: 'exhausted',
  SQLITE_IOERR: 'damaged',
  SQLITE_IOERR_FSYNC: 'damaged',
  SQLITE_LOCKED: 'locked',
  SQLITE_LOCKED_SHAREDCACHE: 'locked',
  SQLITE_MISUSE: 'mistake',
  SQLITE_NOLFS: 'damaged',
  SQLITE_NOMEM: 'exhausted',
  SQLITE_NOTADB: 'damaged',
  SQLITE_NOTFOUND: 'damaged',
  SQLITE_PERM: 'refused',
  SQLITE_PROTOCOL: 'locked',
  SQLITE_READONLY: 'readOnly',
  SQLITE_READONLY_DBMOVED: 'readOnly',
  SQLITE_SCHEMA: 'conflict',
  SQLITE_TOOBIG: 'mistake',
  SQLITE_ERROR: 'mistake'
}

t.test('SQLite\'s result codes', async t => {
  for (const [code, reading] of Object.entries(codes)) {
    t.equal(readingOf(new SqliteConnection.SqliteError('x', code)), reading, code)
    t.equal(readingOf(wrapped({ kind: 'sqlite', extendedCode: 1, originalCode: code })), reading, `${code}, through Prisma`)
  }
  for (const key of Object.keys(sqliteCodes)) t.ok(codes[`SQLITE_${key}`], `${key} is tested`)
  const database = new SqliteConnection(':memory:')
  t.teardown(() => { database.close() })
  database.exec('CREATE TABLE there (a)')
  const readings = ['SELECT 1 FROM gone', 'INSERT INTO gone VALUES (1)', 'SELECT b FROM there', 'INSERT INTO there (b) VALUES (1)', 'INSERT INTO there (a) VALUES (1) ON CONFLICT (a) DO NOTHING', 'SELEKT 1'].map(statement => {
    try {
      database.exec(statement)
    } catch (error) {
      return readingOf(error)
    }
    return 'no error'
  })
  t.strictSame(readings, ['refused', 'refused', 'refused', 'refused', 'refused', 'mistake'])
})

t.test('what has no code of a database', async t => {
  const error = (message: string, code?: string): Error => Object.assign(new Error(message), code === undefined ? {} : { code })
  const said: Array<[Error, Reading]> = [
    [error('connect', 'ECONNREFUSED'), 'away'], [error('getaddrinfo', 'ENOTFOUND'), 'away'], [error('read', 'ECONNRESET'), 'dropped'],
    [error('Connection terminated unexpectedly'), 'dropped'], [error('Connection terminated due to connection timeout'), 'away'],
    [error('timeout exceeded when trying to connect'), 'away'], [error('Query read timeout'), 'silent'],
    [error('The database connection is not open'), 'away'], [error('disk', 'ENOSPC'), 'exhausted'], [error('x', 'EROFS'), 'readOnly'],
    [error('x', 'P1001'), 'away'], [error('x', 'P2034'), 'conflict'], [error('x', 'P2010'), 'mistake'],
    [new TypeError('x is not a function'), 'mistake'],
    // The outermost known code counts.
    [new CommitUnknown('x', { cause: postgresError('57P01') }), 'unknown']
  ]
  for (const [error, reading] of said) t.equal(readingOf(error), reading, error.message)
  for (const nothing of [undefined, null, 'text', 1, {}]) t.equal(readingOf(nothing), 'mistake')
})

t.test('which connections are kept, and what is tried again', async t => {
  const kept = Object.keys(states).filter(code => consequencesOf(postgresError(code)).keep === true)
  for (const code of kept) t.match(states[code], /^(locked|conflict|orphan|mistake)$/, code)
  t.strictSame(Object.keys(states).filter(code => consequencesOf(postgresError(code)).retry === 'fresh').sort(),
    ['0A000', '25006', '25P02', '26000', '42P05'])
  t.equal(consequencesOf(new CommitUnknown('x', { cause: postgresError('57P01') })).retry, undefined)
})
