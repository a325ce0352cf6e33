import { lookup, type ColumnType, type Dialect, type Lookup, type Param, type Sql } from './sql.js'

/**
 * Tables are described once. Row types, column lists, readers of rows, and statements that write many rows with one JSON
 * parameter (see `Dialect.table`) follow from the description, for the hand-written SQL of this folder.
 */

/** A column: its type in the database, and how a value from a driver is read. */
export interface Column<Value> {
  readonly type: ColumnType
  readonly nullable: null extends Value ? true : false
  read(value: unknown): Value
}

export const text: Column<string> = { type: 'text', nullable: false, read: String }
export const int: Column<number> = { type: 'int', nullable: false, read: Number }
/** An instant in epoch milliseconds or a position, as a number, exact up to 2^53. Drivers return a bigint, a number or text. */
export const bigint: Column<number> = { type: 'bigint', nullable: false, read: Number }
/** SQLite stores 0 and 1. */
export const boolean: Column<boolean> = { type: 'boolean', nullable: false, read: Boolean }

/** Text with a fixed set of values. Whoever writes it takes care of that. */
export function word<Word extends string> (): Column<Word> {
  return { type: 'text', nullable: false, read: value => value as Word } as Column<Word>
}

export function nullable<Value extends string | number | boolean> (column: Column<Value>): Column<Value | null> {
  const read = (value: unknown): Value | null => value === null || value === undefined ? null : column.read(value)
  return { type: column.type, nullable: true, read } as Column<Value | null>
}

/** The type of a field of a Prisma model in this program. */
type Held<Value> = Value extends bigint ? number : Value
/** A column for each field of a Prisma model, and no others. After a change in models.prisma, tables.ts does not compile until it follows. */
type ColumnsOf<Model> = { readonly [Field in keyof Model]: ColumnThatHolds<Held<Model[Field]>> }
/** A structural type, so that a column of `word` is accepted for text. */
type ColumnThatHolds<Value> = { readonly type: ColumnType, readonly nullable: null extends Value ? true : false, read(value: unknown): Value }

/** What holds for all rows of a table. */
interface About<Field extends string> {
  /** Fields of the primary key. */
  readonly key: readonly Field[]
  /** How rows are written. `write-check.ts` checks the privileges for that. */
  readonly writes: ReadonlyArray<'insert' | 'update' | 'delete'>
  /** Whether `transfer.ts` copies the rows: not if they are of no use without the processes that wrote them. */
  readonly isCopied: boolean
  /** The field with the `seq` of the message that a row belongs to. Rows go when the message is deleted. Default: they belong to none. */
  readonly ofMessage?: Field
  /** Tables that foreign keys refer to. They are copied first. Default: none. */
  readonly references?: ReadonlyArray<Table<unknown>>
}

export interface Table<Columns> extends About<string> {
  readonly name: string
  readonly columns: Columns
}

/** A table whose rows belong to messages. */
export type TableOfMessages = Table<unknown> & { readonly ofMessage: string }

type Columns = Readonly<Record<string, Column<never> | Column<unknown>>>
type ValueOf<C> = C extends { read(value: unknown): infer Value } ? Value : never

export type FieldOf<T extends Table<unknown>> = keyof T['columns'] & string
/** A row of a table, with all fields or some. */
export type RowOf<T extends Table<unknown>, Field extends FieldOf<T> = FieldOf<T>> = { [F in Field]: ValueOf<T['columns'][F]> }

/** Describes the table of a Prisma model. */
export function tableOf<Model> (): <C extends ColumnsOf<Model> & Record<Exclude<keyof C, keyof Model>, never>, A extends About<keyof C & string>>(
name: string, columns: C, about: A
) => Table<C> & Pick<A, 'ofMessage' & keyof A> {
  return (name, columns, about) => ({ name, columns, ...about })
}

/** The column of a field. The `@map` of models.prisma follows the same rule; a test compares both with the databases. */
export const columnOf = (field: string): string => field.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)

/** The same for a field of one table: a field that it does not have does not compile. */
export const columnIn = <T extends Table<unknown>>(_table: T, field: FieldOf<T>): string => columnOf(field)

/** The columns that a statement selects from one table, and how a row of its result is read. */
export interface Selection<Row> {
  /** `p.user_id AS p_user_id, …` */
  readonly columns: string
  read(row: unknown): Row
  /** As `read`, for the outer side of a join. Undefined if there is no row. */
  readOptional(row: unknown): Row | undefined
}

/** Selects fields of a table that the statement calls `alias`. */
export function select<T extends Table<unknown>, Field extends FieldOf<T> = FieldOf<T>> (
  table: T, alias: string, fields?: readonly Field[]
): Selection<RowOf<T, Field>> {
  const described = table.columns as Columns
  const parts = (fields ?? Object.keys(described)).map(field => {
    const { nullable, read } = described[field]!
    return { field, column: columnOf(field), name: `${alias}_${columnOf(field)}`, nullable, read }
  })
  // A column that is never null shows whether an outer join found a row.
  const witness = parts.find(part => !part.nullable)?.name
  const read = (row: unknown): RowOf<T, Field> => {
    const result: Record<string, unknown> = {}
    for (const part of parts) result[part.field] = part.read((row as Record<string, unknown>)[part.name])
    return result as RowOf<T, Field>
  }
  return {
    columns: parts.map(({ column, name }) => `${alias}.${column} AS ${name}`).join(', '),
    read,
    readOptional: row => witness === undefined || (row as Record<string, unknown>)[witness] === null ? undefined : read(row)
  }
}

/** A row to be written. A field may contain the row with the number instead of the number, so that rows need not be copied. */
export type Written<Row> = { readonly [Field in keyof Row]: Row[Field] extends number ? Row[Field] | { readonly num: number } : Row[Field] }

/** A statement for many rows, and its parameter. */
export interface Bulk<Row> {
  readonly sql: string
  parameter(rows: Iterable<Written<Row>>): string
}

/** A bulk statement that only writes, and the statement that writes one of its rows. */
export interface BulkWrite<Row> extends Bulk<Row> {
  readonly one: string
  values(row: Written<Row>): Param[]
}

/** @returns the number of rows that were written */
export async function write<Row> (sql: Sql, { sql: many, parameter, one, values }: BulkWrite<Row>, rows: Iterable<Written<Row>>): Promise<number> {
  return sql.executeEach === undefined ? await sql.execute(many, parameter(rows)) : await sql.executeEach(one, Array.from(rows, values))
}

const numberOf = (value: unknown): unknown => typeof value === 'object' && value !== null && 'num' in value ? value.num : value

/** A statement with one JSON parameter, which has these fields of each row. */
export function bulk<Row> (fields: readonly string[], sql: string): Bulk<Row> {
  return {
    sql,
    parameter: rows => JSON.stringify(Array.from(rows, row => fields.map(field => numberOf((row as Record<string, unknown>)[field]))))
  }
}

function bulkWrite<Row> (fields: readonly string[], sql: string, one: string): BulkWrite<Row> {
  const values = (row: Written<Row>): Param[] => fields.map(field => numberOf((row as Record<string, unknown>)[field] ?? null) as Param)
  return { ...bulk(fields, sql), one, values }
}

/** Creates statements once for each dialect. */
export function perDialect<Statements> (make: (dialect: Dialect) => Statements): (dialect: Dialect) => Statements {
  const made = new Map<Dialect, Statements>()
  return dialect => {
    let statements = made.get(dialect)
    if (statements === undefined) made.set(dialect, statements = make(dialect))
    return statements
  }
}

/** A table expression over the next parameter, with these fields as columns. */
export function keyed<T extends Table<unknown>> (table: T, dialect: Dialect, fields: ReadonlyArray<FieldOf<T>>): string {
  return dialect.table(typesOf(table, fields))
}

/** Describes a look-up by these fields (see `lookup`). */
export function lookupBy<T extends Table<unknown>> (
  table: T, dialect: Dialect, fields: ReadonlyArray<FieldOf<T>>, query: (keys: string) => string
): Lookup {
  return lookup(dialect, typesOf(table, fields), query)
}

const typesOf = <T extends Table<unknown>>({ columns }: T, fields: ReadonlyArray<FieldOf<T>>): Record<string, ColumnType> =>
  Object.fromEntries(fields.map(field => [columnOf(field), (columns as Columns)[field]!.type]))

/** How many references away from a table that refers to nothing. Rows of lower tables are written first and deleted last. */
export function depthOf ({ references = [] }: Table<unknown>): number {
  return Math.max(0, ...references.map(table => depthOf(table) + 1))
}

/** All fields of a table. */
export const fieldsOf = <T extends Table<unknown>>({ columns }: T): Array<FieldOf<T>> =>
  Object.keys(columns as Columns) as Array<FieldOf<T>>

/** All fields of a table but these: a list that a new column is in by itself. */
export function fieldsBut<T extends Table<unknown>, Field extends FieldOf<T>> (
  table: T, fields: readonly Field[]
): Array<Exclude<FieldOf<T>, Field>> {
  return fieldsOf(table).filter((field): field is Exclude<FieldOf<T>, Field> => !fields.includes(field as Field))
}

/** The values of columns that an INSERT leaves out: null, 0, false or ''. A test compares them with the defaults of the databases. */
export function blank<T extends Table<unknown>, Field extends FieldOf<T>> ({ columns }: T, fields: readonly Field[]): RowOf<T, Field> {
  const blanks: Record<ColumnType, unknown> = { text: '', int: 0, bigint: 0, boolean: false }
  return Object.fromEntries(fields.map(field => {
    const { nullable, type } = (columns as Columns)[field]!
    return [field, nullable ? null : blanks[type]]
  })) as RowOf<T, Field>
}

/** The names and types of all columns of a table. */
export function columnTypes ({ columns }: Table<unknown>): Record<string, ColumnType> {
  return Object.fromEntries(Object.entries(columns as Columns).map(([field, { type }]) => [columnOf(field), type]))
}

/** Inserts rows. `then` is what follows, such as ON CONFLICT or RETURNING. */
export function insert<T extends Table<unknown>, Field extends FieldOf<T>> (
  table: T, dialect: Dialect, fields: readonly Field[], then = ''
): BulkWrite<RowOf<T, Field>> {
  const into = `INSERT INTO ${table.name} (${fields.map(columnOf).join(', ')})`
  return bulkWrite(fields, `${into} SELECT * FROM ${keyed(table, dialect, fields)} k WHERE true ${then}`,
    `${into} VALUES (${fields.map(() => '?').join(', ')}) ${then}`)
}

/** Sets fields of the rows with these keys. */
export function update<T extends Table<unknown>, Key extends FieldOf<T>, Field extends FieldOf<T>> (
  table: T, dialect: Dialect, keys: readonly Key[], fields: readonly Field[]
): BulkWrite<RowOf<T, Key | Field>> {
  const sets = fields.map(field => `${columnOf(field)} = k.${columnOf(field)}`)
  const same = keys.map(key => `${table.name}.${columnOf(key)} = k.${columnOf(key)}`)
  return bulkWrite([...fields, ...keys], `UPDATE ${table.name} SET ${sets.join(', ')}
    FROM ${keyed(table, dialect, [...fields, ...keys])} k WHERE ${same.join(' AND ')}`,
  `UPDATE ${table.name} SET ${fields.map(isGiven).join(', ')} WHERE ${keys.map(isGiven).join(' AND ')}`)
}

const isGiven = (field: string): string => `${columnOf(field)} = ?`

/** Deletes the rows with these keys. */
export function remove<T extends Table<unknown>, Key extends FieldOf<T>> (
  table: T, dialect: Dialect, keys: readonly Key[]
): BulkWrite<RowOf<T, Key>> {
  const columns = keys.map(columnOf)
  return bulkWrite(keys, `DELETE FROM ${table.name} WHERE (${columns.join(', ')}) IN
    (SELECT ${columns.map(column => `k.${column}`).join(', ')} FROM ${keyed(table, dialect, keys)} k)`,
  `DELETE FROM ${table.name} WHERE ${keys.map(isGiven).join(' AND ')}`)
}
