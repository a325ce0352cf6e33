/** A SQL parameter. Structured values are passed as JSON text (see `Dialect.table`). */
export type Param = string | number | bigint | boolean | null

/** Runs SQL that is written once for both databases, with `?` for each parameter. */
export interface Sql {
  query<Row>(sql: string, ...params: Param[]): Promise<Row[]>
  execute(sql: string, ...params: Param[]): Promise<number>
  /** Runs a query once for each key, whose values are its parameters. Only where `executeEach` is. @returns the rows of all */
  queryEach?<Row>(sql: string, keys: readonly Param[][]): Promise<Row[]>
  /**
   * Runs a statement once for each row, whose values are its parameters. Only where the database runs in this process: there are no
   * round trips, and taking rows out of JSON costs twice as much. @returns the number of changed rows in all
   */
  executeEach?(sql: string, rows: Iterable<Param[]>): Promise<number>
}

export type ColumnType = 'int' | 'bigint' | 'text' | 'boolean'

/**
 * What differs between the two databases. Many rows are passed as one parameter, a JSON array of arrays, so that a whole batch
 * costs one round trip and one parse.
 */
export interface Dialect {
  /** A table expression over the next `?`: a JSON array of arrays, whose items are these columns in this order. */
  table(columns: Record<string, ColumnType>): string
  /** The clause that locks the selected rows for an update that does not change keys. */
  lock: string
  /** The functions for the greater and the lesser of two values. */
  greatest: string
  least: string
  /** Whether a WITH clause may write. */
  writesInWith: boolean
}

const list = (columns: Record<string, ColumnType>, column: (name: string, type: ColumnType, index: number) => string): string =>
  Object.entries(columns).map(([name, type], index) => column(name, type, index)).join(', ')

export const sqliteDialect: Dialect = {
  table: columns => `(SELECT ${list(columns, (name, _, index) => `value ->> ${index} AS ${name}`)} FROM json_each(?))`,
  lock: '',
  greatest: 'max',
  least: 'min',
  writesInWith: false
}

export const postgresDialect: Dialect = {
  table: columns => `(SELECT ${list(columns, (name, type, index) => `(e ->> ${index})::${type} AS ${name}`)} FROM jsonb_array_elements(?::jsonb) AS e)`,
  lock: 'FOR NO KEY UPDATE',
  greatest: 'greatest',
  least: 'least',
  writesInWith: true
}

/** The same, for commands that are only tried: they lock nothing. */
export const postgresWithoutLocks: Dialect = { ...postgresDialect, lock: '' }

/** A query that looks rows up: by many keys in one JSON parameter, or by the values of one (see `Sql.queryEach`). */
export interface Lookup {
  readonly many: string
  readonly one: string
}

/** Describes a look-up by these columns. `query` is called with a table expression over the keys. */
export function lookup (dialect: Dialect, columns: Record<string, ColumnType>, query: (keys: string) => string): Lookup {
  return { many: query(dialect.table(columns)), one: query(`(SELECT ${list(columns, name => `? AS ${name}`)})`) }
}

/** The rows for all keys. A key that is there twice may bring its rows twice. */
export async function lookUp<Row> (sql: Sql, { many, one }: Lookup, keys: readonly Param[][]): Promise<Row[]> {
  return sql.queryEach === undefined ? await sql.query(many, JSON.stringify(keys)) : await sql.queryEach(one, keys)
}

/** Replaces `?`, `?` … by `$1`, `$2` …, as PostgreSQL requires. */
export function numbered (sql: string): string {
  let n = 0
  return sql.replaceAll('?', () => `$${++n}`)
}
