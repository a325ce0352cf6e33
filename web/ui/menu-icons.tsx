import { Icon } from './icons.js'

// Those of the message menu, which is loaded when it is first opened.

export const DeleteIcon = () => <Icon><path d='M4.5 7h15M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7' /></Icon>
export const CopyIcon = () => <Icon><path d='M9 9h10.5v10.5H9zM15 9V4.5H4.5V15H9' /></Icon>
export const InfoIcon = () => <Icon><circle cx='12' cy='12' r='8.5' /><path d='M12 11.2v5M12 7.8v.2' /></Icon>
export const PlusIcon = () => <Icon><path d='M12 5.5v13M5.5 12h13' /></Icon>
export const PictureIcon = () => <Icon><path d='M4 5h16v14H4zM4 16l5-5 5 5 2-2 4 4M15 9.5v.2' /></Icon>
export const LinkIcon = () => <Icon><path d='M14 4.5h5.5V10M19 5l-8.5 8.5M17 14v5.5H4.5V7H10' /></Icon>
