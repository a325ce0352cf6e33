// What is loaded when the first of them is opened, as are its styles: style/dialogs.css.

export { BlockQuestion } from './blocking.js'
export { Confirm } from './confirm.js'
export { FoundMessages } from './found-messages.js'
export { Lightbox } from './lightbox.js'
export { Members } from './members.js'
export { MessageInfo } from './message-info.js'
export { MessageMenu } from './message-menu.js'
export { NewChat } from './new-chat.js'
export { ProfileCard } from './profile.js'
