// What is loaded when the first of them is opened.

export { InYourApp } from './in-your-app.js'
export { BlockedPeople } from './ui/blocking.js'
export { KeyHelp, Palette } from './ui/palette.js'
export { OwnProfile } from './ui/profile.js'
export { WireDrawer } from './wire-drawer.js'
