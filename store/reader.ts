import type { Types } from '@prisma/client/runtime/client'
import type { Models } from '../prisma/generated/models.js'

/**
 * The type of `app.chatDatabase.prisma`. It is Prisma's own client, but the types that Prisma generates for these models are 1.5 MB, nearly
 * all of them for writing. These say the same of what reads, for any model. A test compares both.
 */

type Payload = Types.Payload & { unique: object }
type Field<P extends Payload> = keyof P['scalars'] & string
type Relation<P extends Payload> = keyof P['objects'] & string
/** Relations to many rows. */
type Lists<P extends Payload> = { [R in Relation<P>]: P['objects'][R] extends Payload[] ? R : never }[Relation<P>]
/** The model that a relation leads to. */
type Target<R> = R extends Array<infer P extends Payload> ? P : R extends Payload ? R : never
type NumericField<P extends Payload> = { [F in Field<P>]: NonNullable<P['scalars'][F]> extends number | bigint ? F : never }[Field<P>]

/** A value in a condition. Prisma takes numbers for columns that it returns as bigint. */
type Given<V> = V extends bigint ? bigint | number : V
interface Equality<V> { equals?: Given<V>, not?: Filter<V> }
interface Comparison<V> extends Equality<V> {
  in?: Array<Given<NonNullable<V>>>
  notIn?: Array<Given<NonNullable<V>>>
  lt?: Given<NonNullable<V>>
  lte?: Given<NonNullable<V>>
  gt?: Given<NonNullable<V>>
  gte?: Given<NonNullable<V>>
}
interface TextComparison<V> extends Comparison<V> { contains?: string, startsWith?: string, endsWith?: string }
type Condition<V> = NonNullable<V> extends boolean ? Equality<V> : NonNullable<V> extends string ? TextComparison<V> : Comparison<V>
type Filter<V> = Given<V> | Condition<V>

interface Logic<W> { AND?: W | W[], OR?: W[], NOT?: W | W[] }
type Where<P extends Payload> = Logic<Where<P>> & { [F in Field<P>]?: Filter<P['scalars'][F]> } &
  { [R in Relation<P>]?: Related<P['objects'][R]> }
type Related<R> = R extends Payload[]
  ? { every?: Where<Target<R>>, some?: Where<Target<R>>, none?: Where<Target<R>> }
  : R extends Payload ? Where<R> | { is?: Where<R>, isNot?: Where<R> } : R
/** At least one of the model's keys, and further conditions. */
type WhereUnique<P extends Payload, U = P['unique']> = { [K in keyof U]: { [F in K]: Key<U[F]> } }[keyof U] &
  { [K in keyof U]?: Key<U[K]> } & Where<P>
type Key<V> = V extends object ? { [F in keyof V]: Given<V[F]> } : Given<V>

type Sort = 'asc' | 'desc'
type SortOf<V> = Sort | (null extends V ? { sort: Sort, nulls?: 'first' | 'last' } : never)
type FieldOrder<P extends Payload> = { [F in Field<P>]?: SortOf<P['scalars'][F]> }
type Order<P extends Payload> = FieldOrder<P> &
  { [R in Relation<P>]?: P['objects'][R] extends Payload[] ? { _count?: Sort } : Order<Target<P['objects'][R]>> }

type Flags<F extends string> = { [K in F]?: boolean }
type OfRelation<R> = R extends Payload[] ? FindMany<Target<R>> : Shape<Target<R>>
type Include<P extends Payload> = { [R in Relation<P>]?: boolean | OfRelation<P['objects'][R]> } &
  { _count?: boolean | { select?: { [R in Lists<P>]?: boolean | { where?: Where<Target<P['objects'][R]>> } } } }
type Select<P extends Payload> = Flags<Field<P>> & Include<P>

/** What of each row is returned. */
interface Shape<P extends Payload> { select?: Select<P> | null, include?: Include<P> | null, omit?: Flags<Field<P>> | null }
interface Page<P extends Payload> { where?: Where<P>, orderBy?: Order<P> | Array<Order<P>>, cursor?: WhereUnique<P>, take?: number, skip?: number }
interface FindMany<P extends Payload> extends Shape<P>, Page<P> { distinct?: Field<P> | Array<Field<P>> }
interface FindUnique<P extends Payload> extends Shape<P> { where: WhereUnique<P> }

interface Aggregates<P extends Payload> {
  _count?: true | { [F in Field<P> | '_all']?: true }
  _avg?: { [F in NumericField<P>]?: true }
  _sum?: { [F in NumericField<P>]?: true }
  _min?: { [F in Field<P>]?: true }
  _max?: { [F in Field<P>]?: true }
}
interface Count<P extends Payload> extends Page<P> { select?: true | { [F in Field<P> | '_all']?: true } }
interface Aggregate<P extends Payload> extends Page<P>, Aggregates<P> {}
interface GroupBy<P extends Payload> extends Aggregates<P> {
  by: Field<P> | Array<Field<P>>
  where?: Where<P>
  orderBy?: GroupOrder<P> | Array<GroupOrder<P>>
  having?: Having<P>
  take?: number
  skip?: number
}
type Sorts<F extends string> = { [K in F]?: Sort }
type GroupOrder<P extends Payload> = FieldOrder<P> &
  { [A in '_count' | '_min' | '_max']?: Sorts<Field<P>> } & { [A in '_avg' | '_sum']?: Sorts<NumericField<P>> }
type Having<P extends Payload> = Logic<Having<P>> & { [F in Field<P>]?: OfGroups<P['scalars'][F]> }
type OfGroups<V> = Given<V> | (Condition<V> & OfGroup<V>)
interface OfGroup<V> { _count?: Filter<number>, _avg?: Filter<number>, _sum?: Filter<V>, _min?: Filter<V>, _max?: Filter<V> }

type Aggregated<P extends Payload, A> = {
  [K in keyof A & keyof Aggregates<P>]: K extends '_count'
    ? A[K] extends true ? number : { [F in keyof A[K]]: number }
    : { [F in keyof A[K] & Field<P>]: (K extends '_avg' ? number : P['scalars'][F]) | null }
}
type By<A> = A extends { by: infer B } ? B extends ReadonlyArray<infer F> ? F : B : never
type Grouped<P extends Payload, A> = Aggregated<P, A> & { [F in By<A> & Field<P>]: P['scalars'][F] }

/** The arguments themselves, with no properties but those of `A`. */
type Only<T, A> = { [K in keyof T]: K extends keyof A ? T[K] : never } &
  (T extends { select: object, include: object } ? 'Please either choose `select` or `include`.' : unknown)

/** What Prisma returns. A query begins when it is awaited. */
type Query<T> = Types.Public.PrismaPromise<T>
type Row<P extends Payload, T> = Types.Result.GetResult<P, T, 'findUniqueOrThrow', { omit: Omitted }>

/** Fields that are read only if they are selected by name. */
export interface Omitted {
  user: { passwordHash: true }
  meta: { fileKey: true }
  webhook: { secret: true, previousSecret: true }
}

/** The operations of one model that read it. */
interface ModelReader<P extends Payload> {
  findUnique<T extends FindUnique<P>>(args: Only<T, FindUnique<P>>): Query<Row<P, T> | null>
  findUniqueOrThrow<T extends FindUnique<P>>(args: Only<T, FindUnique<P>>): Query<Row<P, T>>
  findFirst<T extends FindMany<P>>(args?: Only<T, FindMany<P>>): Query<Row<P, T> | null>
  findFirstOrThrow<T extends FindMany<P>>(args?: Only<T, FindMany<P>>): Query<Row<P, T>>
  findMany<T extends FindMany<P>>(args?: Only<T, FindMany<P>>): Query<Array<Row<P, T>>>
  count<T extends Count<P>>(args?: Only<T, Count<P>>): Query<Types.Result.GetCountResult<T>>
  aggregate<T extends Aggregate<P>>(args: Only<T, Aggregate<P>>): Query<Aggregated<P, T>>
  groupBy<T extends GroupBy<P>>(args: Only<T, GroupBy<P>>): Query<Array<Grouped<P, T>>>
}

/** Prisma's typed client, reduced to the models and the operations that read them. */
export type PrismaReader = { readonly [Model in keyof Models]: ModelReader<Models[Model]> }
