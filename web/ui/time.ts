import type { Strings } from './strings/en.js'

/** Times and days in words. */
export interface Clock {
  timeOfDay (iso: string): string
  exactTime (iso: string): string
  /** The name of a day, which separates its messages from those of the day before. */
  dayName (iso: string, now: Date): string
  /** A short time for a list. */
  shortTime (iso: string, now: Date): string
  lastSeen (iso: string | null, now: Date): string
}

const startOfDay = (date: Date) => new Date(date.getFullYear(), date.getMonth(), date.getDate())

/** Calendar days from `date` to `now`. */
const daysAgo = (date: Date, now: Date) => Math.round((startOfDay(now).getTime() - startOfDay(date).getTime()) / 86_400_000)

export const dayOf = (iso: string): string => new Date(iso).toDateString()

/** @param locale how clocks are written, @param language that of the texts, for the names of days */
export function createClock (locale: string, language: string, strings: Strings): Clock {
  const clock = new Intl.DateTimeFormat(locale, { hour: 'numeric', minute: '2-digit' })
  const weekday = new Intl.DateTimeFormat(language, { weekday: 'long' })
  const shortDate = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' })
  const longDate = new Intl.DateTimeFormat(language, { weekday: 'long', day: 'numeric', month: 'long' })
  const fullDate = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'long', year: 'numeric' })
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' })

  return {
    timeOfDay: (iso) => clock.format(new Date(iso)),
    exactTime: (iso) => exact.format(new Date(iso)),
    dayName (iso, now) {
      const date = new Date(iso)
      const days = daysAgo(date, now)
      if (days === 0) return strings.today
      if (days === 1) return strings.yesterday
      if (days > 1 && days < 7) return weekday.format(date)
      return (date.getFullYear() === now.getFullYear() ? longDate : fullDate).format(date)
    },
    shortTime (iso, now) {
      const date = new Date(iso)
      const days = daysAgo(date, now)
      if (days === 0) return clock.format(date)
      if (days === 1) return strings.yesterday
      return days > 1 && days < 7 ? weekday.format(date) : shortDate.format(date)
    },
    lastSeen (iso, now) {
      if (iso === null) return strings.offline
      const date = new Date(iso)
      const minutes = Math.floor((now.getTime() - date.getTime()) / 60_000)
      if (minutes < 1) return strings.seenJustNow
      if (minutes < 60) return strings.seenMinutesAgo(minutes)
      const days = daysAgo(date, now)
      if (days === 0) return strings.seenToday(clock.format(date))
      if (days === 1) return strings.seenYesterday(clock.format(date))
      return days < 7 ? strings.seenOnDay(weekday.format(date)) : strings.seenOnDate(shortDate.format(date))
    }
  }
}
