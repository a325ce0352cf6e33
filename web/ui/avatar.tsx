import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useWords } from './context.js'
import { PeopleIcon } from './icons.js'

/** One of eight colours. It is always the same for the same id. */
export function tintOf (id: string): number {
  let hash = 2_166_136_261 // FNV-1a
  for (const letter of id) hash = Math.imul(hash ^ letter.codePointAt(0)!, 16_777_619)
  return (hash ^ hash >>> 15) >>> 4 & 7
}

function initialsOf (name: string): string {
  const words = name.replace(/\p{Cf}/gu, '').trim().split(/[\s._-]+/u).filter((word) => word !== '')
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]]
  return letters.map((word) => Array.from(word ?? '?')[0]).join('').toUpperCase()
}

interface Props {
  id: string
  name: string
  /** Shown instead of the initials, if it can be loaded. */
  picture?: string | null | undefined
  group?: boolean
  online?: boolean
  small?: boolean
}

export function Avatar ({ id, name, picture, group = false, online = false, small = false }: Props): JSX.Element {
  const words = useWords()
  const [broken, setBroken] = useState<string | null>(null)
  const shown = picture?.startsWith('https:') === true && picture !== broken ? picture : null
  return (
    <span class={`avatar tint-${tintOf(id)}${small ? ' is-small' : ''}`}>
      {shown !== null
        ? <img src={shown} alt='' loading='lazy' referrerpolicy='no-referrer' onError={() => { setBroken(shown) }} />
        : group ? <PeopleIcon /> : <span aria-hidden='true'>{initialsOf(name)}</span>}
      {online && <span class='online-dot' title={words.onlineDot}><span class='for-readers'>{words.onlineDot}</span></span>}
    </span>
  )
}
