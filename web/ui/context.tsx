import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import type { Chat } from './chat.js'
import { createWords, type Words } from './words.js'

const ChatContext = createContext<Chat | null>(null)
const WordsContext = createContext<Words>(createWords('en'))

/** Gives a chat to the parts within. */
export const ChatProvider = ChatContext.Provider
/** Gives the parts within their language. Default: English. */
export const WordsProvider = WordsContext.Provider

/** The chat that a part belongs to. */
export function useChat (): Chat {
  const chat = useContext(ChatContext)
  if (chat === null) throw new Error('There is no ChatProvider around this part')
  return chat
}

/** The texts in the language of the part. */
export const useWords = (): Words => useContext(WordsContext)
