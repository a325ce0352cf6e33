import { en, type PageStrings } from './strings/en.js'
import { useWords } from './ui/context.js'
import { loadWords, type Words } from './ui/words.js'

/** The texts of the parts, and those of the page. */
export type PageWords = Words & PageStrings

export async function loadPageWords (tag: string): Promise<PageWords> {
  return await loadWords<PageStrings>(tag, en, { de: async () => (await import('./strings/de.js')).de })
}

/** The texts in the language of the page. Its `WordsProvider` has been given all of them. */
export const usePageWords = (): PageWords => useWords() as PageWords
