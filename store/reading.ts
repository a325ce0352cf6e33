/*
 * What an error of the database means. One table: what each code is read as, and what follows from that.
 *
 * The rule of the table: a state that somebody else than this program can mend (an administrator, the operating system,
 * another transaction) is unavailability, so that callers come again. What is left is a mistake of this program.
 */

interface Consequences {
  /** Callers are told to come again (503), and not that the server has failed (500). */
  unavailable: boolean
  /** The connection goes back to the pool after a ROLLBACK. Otherwise it is closed. */
  keep?: true
  /** The same work can succeed now: on any other connection, or only on one that is opened from now on. */
  retry?: 'any' | 'fresh'
  /** It is about some rows only: of a group of commands, each is tried alone. */
  single?: true
}

const readings = {
  /** Nothing answers, or not in time, or the server is starting or stopping. */
  away: { unavailable: true },
  /** The connection broke, and with it ended whatever transaction it was in. */
  dropped: { unavailable: true, retry: 'any' },
  /** No answer in time, from a connection that seems to be there. */
  silent: { unavailable: true },
  /** The connection broke during the commit: whether that took place is not known. */
  unknown: { unavailable: true },
  /** Another transaction or process holds a lock for too long. */
  locked: { unavailable: true, keep: true },
  /** The transaction was rolled back because of another one: the same again, from the start. */
  conflict: { unavailable: true, keep: true },
  /** Out of connections, memory, disk or time. */
  exhausted: { unavailable: true },
  /** The login, the rights, or what was there (database, schema, table, column) were changed or taken away. */
  refused: { unavailable: true },
  /** This session may only read. A new one may write: after a failover, or when the database was set back. */
  readOnly: { unavailable: true, retry: 'fresh' },
  /** What this session has prepared no longer fits the database. */
  stale: { unavailable: true, retry: 'fresh' },
  /** Damaged data, or an error below the database. */
  damaged: { unavailable: true },
  /** A trigger or a view that somebody else has made refuses some rows. */
  ruled: { unavailable: true, single: true },
  /** A row refers to one that is gone. */
  orphan: { unavailable: false, keep: true, single: true },
  /** All else. */
  mistake: { unavailable: false, keep: true, single: true }
} satisfies Record<string, Consequences>

export type Reading = keyof typeof readings

/** By PostgreSQL's SQLSTATE (appendix A of its manual): a code of five, else its class of two. */
export const sqlStates: Readonly<Record<string, Reading>> = {
  '08': 'away',
  '08003': 'dropped',
  '08006': 'dropped',
  '09': 'ruled',
  // "cached plan must not change result type", and what a proxy or a relative of PostgreSQL doesn't know
  '0A': 'stale',
  '0L': 'refused',
  '0P': 'refused',
  23503: 'orphan',
  25006: 'readOnly',
  '25P02': 'stale',
  '25P03': 'dropped',
  '25P04': 'exhausted',
  // a prepared statement is gone (DISCARD ALL, a pooler), or is there already
  26: 'stale',
  '42P05': 'stale',
  27: 'ruled',
  28: 'refused',
  '2B': 'refused',
  38: 'ruled',
  39: 'ruled',
  '3D': 'refused',
  '3F': 'refused',
  40: 'conflict',
  42501: 'refused',
  // a column's type was changed
  42804: 'refused',
  42883: 'refused',
  // a table became a view, an index is gone that ON CONFLICT needs
  42809: 'refused',
  '42P10': 'refused',
  42703: 'refused',
  42704: 'refused',
  '42P01': 'refused',
  '428C9': 'refused',
  44: 'ruled',
  53: 'exhausted',
  55: 'refused',
  '55P03': 'locked',
  57: 'away',
  57014: 'exhausted',
  '57P01': 'dropped',
  '57P02': 'dropped',
  58: 'damaged',
  72: 'conflict',
  F0: 'damaged',
  HV: 'damaged',
  P0: 'ruled',
  XX: 'damaged'
}

/** By SQLite's result code, without `SQLITE_`: the extended code, else the primary one that it begins with. */
export const sqliteCodes: Readonly<Record<string, Reading>> = {
  AUTH: 'refused',
  BUSY: 'locked',
  // the schema was changed by another process
  BUSY_SNAPSHOT: 'conflict',
  CANTOPEN: 'refused',
  CONSTRAINT_FOREIGNKEY: 'orphan',
  CONSTRAINT_TRIGGER: 'ruled',
  CORRUPT: 'damaged',
  EMPTY: 'damaged',
  FULL: 'exhausted',
  INTERNAL: 'damaged',
  INTERRUPT: 'exhausted',
  IOERR: 'damaged',
  LOCKED: 'locked',
  NOLFS: 'damaged',
  NOMEM: 'exhausted',
  NOTADB: 'damaged',
  NOTFOUND: 'damaged',
  PERM: 'refused',
  PROTOCOL: 'locked',
  READONLY: 'readOnly',
  SCHEMA: 'conflict'
}

/** By Prisma's own codes, and by its driver adapters' kinds where they keep no code of the database. */
const prismaCodes: Readonly<Record<string, Reading>> = {
  P1000: 'refused',
  P1001: 'away',
  P1002: 'away',
  P1003: 'refused',
  P1008: 'locked',
  P1010: 'refused',
  P1011: 'away',
  P1017: 'dropped',
  P2003: 'orphan',
  P2021: 'refused',
  P2022: 'refused',
  P2024: 'exhausted',
  P2028: 'away',
  P2034: 'conflict',
  P2037: 'exhausted',
  AuthenticationFailed: 'refused',
  ColumnNotFound: 'refused',
  ConnectionClosed: 'dropped',
  DatabaseAccessDenied: 'refused',
  DatabaseDoesNotExist: 'refused',
  DatabaseNotReachable: 'away',
  SocketTimeout: 'away',
  TableDoesNotExist: 'refused',
  TlsConnectionError: 'away',
  TooManyConnections: 'exhausted',
  TransactionAlreadyClosed: 'away',
  TransactionWriteConflict: 'conflict'
}

/** By the operating system's. */
const systemCodes: Readonly<Record<string, Reading>> = {
  EACCES: 'refused',
  EAI_AGAIN: 'away',
  EAI_FAIL: 'away',
  ECONNABORTED: 'dropped',
  ECONNREFUSED: 'away',
  ECONNRESET: 'dropped',
  EDQUOT: 'exhausted',
  EHOSTDOWN: 'away',
  EHOSTUNREACH: 'away',
  EIO: 'damaged',
  EMFILE: 'exhausted',
  ENETDOWN: 'away',
  ENETUNREACH: 'away',
  ENFILE: 'exhausted',
  ENOENT: 'refused',
  ENOMEM: 'exhausted',
  ENOSPC: 'exhausted',
  ENOTFOUND: 'away',
  EPERM: 'refused',
  EPIPE: 'dropped',
  EROFS: 'readOnly',
  ETIMEDOUT: 'away'
}

export const COMMIT_UNKNOWN = 'COMMIT_UNKNOWN'
export const META_MISSING = 'META_MISSING'

const otherCodes: Readonly<Record<string, Reading>> = { ...prismaCodes, ...systemCodes, [COMMIT_UNKNOWN]: 'unknown', [META_MISSING]: 'refused' }

/** What is said in words only. */
const words: ReadonlyArray<[RegExp, Reading]> = [
  [/Query read timeout/, 'silent'],
  [/due to connection timeout|timeout exceeded when trying to connect/, 'away'],
  [/Connection terminated|Client has encountered a connection error/i, 'dropped'],
  [/connection is not open|Cannot use a pool after|Transaction already closed|Unable to start a transaction/i, 'away'],
  [/^no such (table|column|index|view)|has no column named|^malformed database schema/, 'refused'],
  [/does not match any PRIMARY KEY or UNIQUE constraint/, 'refused']
]

/** The error and what it follows from: Prisma and its adapters wrap what the driver says. */
function * chain (error: unknown, depth = 0): Iterable<Record<string, unknown>> {
  if (typeof error !== 'object' || error === null || depth > 4) return
  const link = error as Record<string, unknown>
  yield link
  for (const key of ['cause', 'meta', 'driverAdapterError']) yield * chain(link[key], depth + 1)
}

function readingOfCode (code: string): Reading | undefined {
  if (Object.hasOwn(otherCodes, code)) return otherCodes[code]
  if (code.startsWith('SQLITE_')) {
    const name = code.slice('SQLITE_'.length)
    // SQLITE_ERROR says what it is in words
    return sqliteCodes[name] ?? sqliteCodes[name.split('_')[0]!] ?? (name === 'ERROR' ? undefined : 'mistake')
  }
  // Prisma's own codes look like SQLSTATEs
  if (!/^[0-9A-Z]{5}$/.test(code) || /^P[1-9]|^E[A-Z]/.test(code)) return undefined
  return sqlStates[code] ?? sqlStates[code.slice(0, 2)] ?? 'mistake'
}

/** What the error means: the outermost code that is known counts, and the database's own before what it was taken for. */
export function readingOf (error: unknown): Reading {
  for (const link of chain(error)) {
    for (const key of ['originalCode', 'code', 'kind']) {
      const value = link[key]
      const reading = typeof value === 'string' ? readingOfCode(value) : undefined
      if (reading !== undefined) return reading
    }
    const message = link['originalMessage'] ?? link['message']
    const said = typeof message === 'string' ? words.find(([pattern]) => pattern.test(message)) : undefined
    if (said !== undefined) return said[1]
  }
  return 'mistake'
}

/** What follows from an error. */
export function consequencesOf (error: unknown): Readonly<Consequences> {
  return readings[readingOf(error)]
}
