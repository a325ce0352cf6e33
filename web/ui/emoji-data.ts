/** An emoji, and its name and what it is found by, in lower case: `thumbs up|+1 hand`. */
export type Emoji = readonly [emoji: string, names: string]

// The build makes these out of emojibase-data: each is a file of its own, which is loaded when it is asked for.
export const english = (): Promise<{ default: readonly Emoji[] }> => import('emoji:en')
export const german = (): Promise<{ default: readonly Emoji[] }> => import('emoji:de')
