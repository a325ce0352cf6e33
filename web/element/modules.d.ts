declare module 'style:*' {
  /** The style sheet with all that it imports. `rem` is replaced: see `sheets.ts`. */
  const css: string
  export default css
}
