// What ChatScreen uses of React Native and Expo, so that it can be type-checked without installing either. In an app, the
// packages bring their own types, and this file stays out.

declare module 'react-native' {
  import type { ComponentType, ReactNode } from 'react'

  interface Style { flex?: number, padding?: number, alignSelf?: 'flex-start' | 'flex-end' }
  interface Accessible { accessibilityLabel?: string, accessibilityRole?: 'button' }

  export const View: ComponentType<Accessible & { style?: Style, children?: ReactNode }>
  export const Text: ComponentType<Accessible & { style?: Style, children?: ReactNode }>
  export const Pressable: ComponentType<Accessible & { style?: Style, onPress?: () => void, children?: ReactNode }>
  export const TextInput: ComponentType<Accessible & {
    value?: string
    placeholder?: string
    onChangeText?: (text: string) => void
    onSubmitEditing?: () => void
  }>
  export function FlatList<T> (props: {
    inverted?: boolean
    data: readonly T[]
    keyExtractor: (item: T) => string
    renderItem: (info: { item: T, index: number }) => ReactNode
    onEndReached?: () => void
  }): ReactNode

  type AppStateStatus = 'active' | 'background' | 'inactive' | 'unknown' | 'extension'
  export const AppState: {
    addEventListener (type: 'change' | 'memoryWarning' | 'blur' | 'focus', listener: (state: AppStateStatus) => void): { remove (): void }
  }
}

declare module 'expo/fetch' {
  interface FetchRequestInit {
    body?: string
    headers?: Record<string, string> | [string, string][]
    method?: string
    signal?: AbortSignal
    credentials?: 'include' | 'omit' | 'same-origin'
  }

  export function fetch (url: string, init?: FetchRequestInit): Promise<Response>
}
