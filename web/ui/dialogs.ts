// What is loaded when the first of them is opened, as are its styles: style/dialogs.css.

export { BlockQuestion } from './blocking.js'
export { Confirm } from './confirm.js'
export { ConversationMenu } from './conversation-menu.js'
export { Found } from './found.js'
export { Lightbox } from './lightbox.js'
export { Members } from './members.js'
export { MessageInfo } from './message-info.js'
export { MessageMenu } from './message-menu.js'
export { NewChat } from './new-chat.js'
export { playSoundOf } from './play-sound.js'
export { ProfileCard } from './profile.js'
export { WhoReacted } from './who-reacted.js'
