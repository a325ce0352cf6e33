const language = navigator.language
const clock = new Intl.DateTimeFormat(language, { hour: 'numeric', minute: '2-digit' })
const weekday = new Intl.DateTimeFormat('en', { weekday: 'long' })
const shortDate = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short' })
const longDate = new Intl.DateTimeFormat('en', { weekday: 'long', day: 'numeric', month: 'long' })
const fullDate = new Intl.DateTimeFormat('en', { day: 'numeric', month: 'long', year: 'numeric' })
const exact = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' })

const startOfDay = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate())

/** Calendar days from `date` to `now`. */
const daysAgo = (date: Date, now: Date) => Math.round((startOfDay(now).getTime() - startOfDay(date).getTime()) / 86_400_000)

export const timeOfDay = (iso: string): string => clock.format(new Date(iso))
export const exactTime = (iso: string): string => exact.format(new Date(iso))
export const dayOf = (iso: string): string => new Date(iso).toDateString()

/** The name of a day, which separates its messages from those of the day before. */
export function dayName (iso: string, now: Date): string {
  const date = new Date(iso)
  const days = daysAgo(date, now)
  if (days === 0) return 'Today'
  if (days === 1) return 'Yesterday'
  if (days > 1 && days < 7) return weekday.format(date)
  return (date.getFullYear() === now.getFullYear() ? longDate : fullDate).format(date)
}

/** A short time for a list. */
export function shortTime (iso: string, now: Date): string {
  const date = new Date(iso)
  const days = daysAgo(date, now)
  if (days === 0) return clock.format(date)
  if (days === 1) return 'Yesterday'
  return days > 1 && days < 7 ? weekday.format(date) : shortDate.format(date)
}

export function lastSeen (iso: string | null, now: Date): string {
  if (iso === null) return 'offline'
  const date = new Date(iso)
  const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000)
  if (minutes < 1) return 'last seen just now'
  if (minutes < 60) return `last seen ${minutes} min ago`
  const days = daysAgo(date, now)
  if (days <= 1) return `last seen ${days === 0 ? 'today' : 'yesterday'} at ${clock.format(date)}`
  return `last seen ${days < 7 ? 'on ' + weekday.format(date) : shortDate.format(date)}`
}
