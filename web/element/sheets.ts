import css from 'style:../ui/style/index.css'

/**
 * What separates an element from the page around it. Nothing is inherited except the direction and the variables for hosts.
 * The build has replaced `rem` by `--chat-rem`: what is 16 pixels for most users, and what a user has chosen for others,
 * whatever the host's page has made of its own root.
 */
const around = `
:host { display: block; height: 480px; contain: content }
:host([hidden]) { display: none }
.chat-base { all: initial; display: block; height: 100%; font-size: var(--chat-font-size, medium); --chat-rem: 1em }
.chat-root { height: 100%; overflow: hidden; border-radius: inherit }
.sidebar { grid-template-rows: minmax(0, 1fr) }
.sidebar:has(> .sidebar-head) { grid-template-rows: auto minmax(0, 1fr) }
`

let made: CSSStyleSheet[] | null = null
let empty: CSSStyleSheet | null = null

/** A style sheet of all elements, for the styles of what is loaded on demand. */
export function later (): CSSStyleSheet {
  empty ??= new CSSStyleSheet()
  return empty
}

/** The style sheets of all elements. */
export function sheets (): CSSStyleSheet[] {
  if (made !== null) return made
  let fixed = ''
  try {
    CSS.registerProperty({ name: '--chat-rem', syntax: '<length>', inherits: true, initialValue: '16px' })
  } catch {
    // It is registered already, by another copy of this module; or this browser registers none, and the size is fixed.
    if (!('registerProperty' in CSS)) fixed = '.chat-base { --chat-rem: 16px }'
  }
  const own = [around + fixed, css].map((text) => {
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(text)
    return sheet
  })
  made = [...own, later()]
  return made
}
