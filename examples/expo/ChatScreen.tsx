// A conversation on a phone. `fetch` is Expo's, because React Native's own can't stream; without Expo, hand in an EventSource
// instead: `EventSource: RNEventSource, eventSourceHeaders: true` with react-native-sse.

import { fetch } from 'expo/fetch'
import { useEffect, useState } from 'react'
import { AppState, FlatList, Pressable, Text, TextInput, View } from 'react-native'
import { createChatClient, createSession, type ChatMessage, type ChatSession } from 'fastify-sse-chat/client'
import { useConversation, useSession } from 'fastify-sse-chat/react'

/** To be called once, when the user has signed in; `close()` it when they sign out. */
export const openSession = (getToken: () => Promise<string>): ChatSession => createSession(createChatClient({
  baseUrl: process.env.EXPO_PUBLIC_API_URL, // Written out, because Expo fills it in in an app's own files only
  token: getToken,
  fetch,
  appState: AppState
}))

const ticks = { sending: '…', failed: '!', sent: '✓', delivered: '✓✓', read: '✓✓ read' } as const

export function ChatScreen ({ session, conversationId }: { session: ChatSession, conversationId: string }) {
  const { messages, typing, live } = useConversation(session, conversationId)
  const { status } = useSession(session)
  const [draft, setDraft] = useState('')

  useEffect(() => live.markRead(), [live, messages])

  const send = () => {
    if (draft === '') return
    live.send(draft)
    setDraft('')
  }
  const bubble = ({ item }: { item: ChatMessage }) => (
    <Pressable onPress={() => live.retry(item.key)} style={{ alignSelf: item.own ? 'flex-end' : 'flex-start', padding: 8 }}>
      <Text>{item.deletedAt === null ? item.text : 'deleted'}</Text>
      {item.own && <Text accessibilityLabel={item.status}>{ticks[item.status]}</Text>}
    </Pressable>
  )

  return (
    <View style={{ flex: 1 }}>
      {status !== 'connected' && <Text>Connecting …</Text>}
      <FlatList
        inverted
        data={[...messages].reverse()}
        keyExtractor={({ key }) => key}
        renderItem={bubble}
        onEndReached={() => { live.loadOlder().catch(() => {}) }}
      />
      {typing.length > 0 && <Text>{typing.map(({ displayName }) => displayName).join(', ')} typing …</Text>}
      <TextInput
        value={draft}
        placeholder='Message'
        onChangeText={(text) => {
          setDraft(text)
          live.setTyping(text !== '')
        }}
        onSubmitEditing={send}
      />
      <Pressable accessibilityRole='button' onPress={send}><Text>Send</Text></Pressable>
    </View>
  )
}
