import type { ComponentChildren, JSX } from 'preact'
import type { ChatMessage } from '../../client/index.js'
import { useWords } from './context.js'

export function Icon ({ children, viewBox = '0 0 24 24' }: { children: ComponentChildren, viewBox?: string }): JSX.Element {
  return <svg class='icon' viewBox={viewBox} aria-hidden='true' focusable='false'>{children}</svg>
}

export const BackIcon = () => <Icon><path d='M15 5l-7 7 7 7' /></Icon>
export const CloseIcon = () => <Icon><path d='M6 6l12 12M18 6L6 18' /></Icon>
export const ComposeIcon = () => <Icon><path d='M12 20h8M4 20l1-4.5L16.2 4.3a1.5 1.5 0 0 1 2.1 0l1.4 1.4a1.5 1.5 0 0 1 0 2.1L8.5 19z' /></Icon>
export const WireIcon = () => <Icon><path d='M8 7l-5 5 5 5M16 7l5 5-5 5M13.5 5l-3 14' /></Icon>
export const MoreIcon = () => <Icon><circle cx='5' cy='12' r='.6' /><circle cx='12' cy='12' r='.6' /><circle cx='19' cy='12' r='.6' /></Icon>
export const PeopleIcon = () => (
  <Icon>
    <circle cx='9' cy='8.5' r='3.5' />
    <path d='M2.5 19.5c.6-3.4 3.2-5.5 6.5-5.5s5.9 2.1 6.5 5.5M15.5 5.3a3.5 3.5 0 0 1 0 6.4M17.5 14.5c2.2.6 3.6 2.4 4 5' />
  </Icon>
)
export const SendIcon = () => <Icon><path d='M12 19V5M6 11l6-6 6 6' /></Icon>
export const DownIcon = () => <Icon><path d='M12 5v14M6 13l6 6 6-6' /></Icon>
export const EditIcon = () => <Icon><path d='M4 20l1-4.5L16.2 4.3a1.5 1.5 0 0 1 2.1 0l1.4 1.4a1.5 1.5 0 0 1 0 2.1L8.5 19z' /></Icon>
export const ReplyIcon = () => <Icon><path d='M10 6L4.5 11.5 10 17M5 11.5h9a5.5 5.5 0 0 1 5.5 5.5v1.5' /></Icon>
export const ReactIcon = () => (
  <Icon>
    <circle cx='12' cy='12' r='8.5' />
    <path d='M8.5 14.2c.8 1.3 2 2 3.5 2s2.7-.7 3.5-2M9.2 9.7v.2M14.8 9.7v.2' />
  </Icon>
)
export const StarIcon = () => <Icon><path d='M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5-5-2.8-5 2.8 1.1-5.5L4 9.7 9.6 9z' /></Icon>
export const MutedIcon = () => <Icon><path d='M6 16.5h12l-1.5-2.5v-4a4.5 4.5 0 0 0-9 0v4zM10.5 19.5h3M4 4l16 16' /></Icon>
export const AttachIcon = () => (
  <Icon><path d='M19 11.5l-7.3 7.3a4.6 4.6 0 0 1-6.5-6.5l7.8-7.8a3 3 0 0 1 4.3 4.3l-7.6 7.6a1.4 1.4 0 0 1-2-2l6.8-6.8' /></Icon>
)
export const FileIcon = () => <Icon><path d='M6 3.5h8l4.5 4.5v12.5H6zM13.5 3.5v5h5' /></Icon>
export const SearchIcon = () => <Icon><circle cx='10.5' cy='10.5' r='6' /><path d='M15 15l5 5' /></Icon>

export function Mark (): JSX.Element {
  return (
    <svg class='mark' viewBox='0 0 64 64' aria-hidden='true' focusable='false'>
      <rect class='mark-ground' width='64' height='64' rx='16' />
      <path
        class='mark-bubble'
        d='M32 13c11.6 0 20 7.6 20 17.4s-8.4 17.4-20 17.4c-2 0-3.9-.2-5.7-.6L15.8 52l2.2-9.3C14.3 39.6 12 35.3 12 30.4 12 20.6 20.4 13 32 13z'
      />
      <path class='mark-ticks' d='m20.5 30.8 5.4 5.4 10.2-11.4M32.3 35.4l1 .9L43.5 24.8' />
    </svg>
  )
}

/** The status of one's own message: a clock while it is sent, then ✓, ✓✓, and ✓✓ in colour. */
export function Ticks ({ status }: { status: ChatMessage['status'] }): JSX.Element {
  const words = useWords()
  const word = status === 'failed' ? words.notSent : words[status]
  return (
    <span class={`ticks is-${status}`} title={word}>
      <svg viewBox='0 0 20 12' aria-hidden='true' focusable='false'>
        {status === 'sending' && <path d='M14 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9zM14 4.5v2.7l1.7 1' />}
        {status === 'failed' && <path d='M15 2v5M15 10v.3' />}
        {status === 'sent' && <path d='M7.5 6.5l3.5 3.5 7-7.8' />}
        {(status === 'delivered' || status === 'read') && <path d='M2 6.5l3.5 3.5 7-7.8M10.2 9.4l.6.6 7-7.8' />}
      </svg>
      <span class='for-readers'>{word}</span>
    </span>
  )
}
