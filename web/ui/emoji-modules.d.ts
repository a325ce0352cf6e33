declare module 'emoji:*' {
  const emoji: ReadonlyArray<readonly [emoji: string, names: string]>
  export default emoji
}
