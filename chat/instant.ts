const INSTANT = /^(\d{4})-(\d\d)-(\d\d)T(?!24)\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/
/** The last instant whose year has four digits in UTC, as answers show it. */
const LAST_INSTANT = Date.UTC(9999, 11, 31, 23, 59, 59, 999)

/** RFC 3339, 5.6, without leap seconds. `Date.parse` alone takes other forms, 31 February and 24:00. */
export function instantOf (text: string): number | undefined {
  const [, year, month, day] = INSTANT.exec(text) ?? []
  if (day === undefined || Number(day) > new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate()) return undefined
  const ms = Date.parse(text)
  return ms <= LAST_INSTANT ? ms : undefined
}
