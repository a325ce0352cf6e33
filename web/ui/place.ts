/** Where a log is scrolled to: its end, or a message and the distance of its top from that of the log, in pixels. */
export type Place = 'end' | { key: string, seq: number | null, offset: number }

/** Within this distance of the end, a log counts as scrolled to it, in pixels. */
const NEAR = 80
/** The space above a message that is scrolled to the top. */
const ABOVE = 48

/** The blocks of a log. A search by selector would visit each of their messages. */
const blocksOf = (box: HTMLElement): HTMLElement[] =>
  [...box.firstElementChild?.children ?? []].filter((element): element is HTMLElement => element.classList.contains('block'))

/** The element of a message. What is looked for is mostly near the end. */
export function elementOf (box: HTMLElement, key: string): HTMLElement | null {
  const selector = `[data-key="${CSS.escape(key)}"]`
  for (const block of blocksOf(box).reverse()) {
    const found = block.querySelector<HTMLElement>(selector)
    if (found !== null) return found
  }
  return null
}

/** The first of some elements, which are one below the other, that satisfies a condition that holds for all after it. */
function firstOf (elements: ArrayLike<HTMLElement>, condition: (rect: DOMRect) => boolean): HTMLElement | undefined {
  let from = 0
  for (let to = elements.length; from < to;) {
    const middle = (from + to) >> 1
    if (condition(elements[middle]!.getBoundingClientRect())) to = middle
    else from = middle + 1
  }
  return elements[from]
}

/**
 * The first message whose lower edge is below a height. Blocks that are not on screen are not laid out for it: one that comes onto
 * the screen may still have more space than its messages, and then it is its last message.
 */
function messageBelow (box: HTMLElement, y: number): HTMLElement | undefined {
  const block = firstOf(blocksOf(box), ({ bottom }) => bottom > y)
  const messages = [...block?.querySelectorAll<HTMLElement>('.message') ?? []]
  return firstOf(messages, ({ bottom }) => bottom > y) ?? messages.at(-1)
}

/** Where a log is scrolled to now. */
export function placeOf (box: HTMLElement): Place {
  if (box.scrollHeight - box.scrollTop - box.clientHeight < NEAR) return 'end'
  const { top } = box.getBoundingClientRect()
  const message = messageBelow(box, top + 8)
  if (message === undefined) return 'end'
  const { key = '', seq } = message.dataset
  return { key, seq: seq === undefined ? null : Number(seq), offset: message.getBoundingClientRect().top - top }
}

/**
 * Scrolls a log to a place.
 *
 * @param limit the key of a message that must not leave the log at its top, such as one that has not been seen
 * @returns false if the message of the place is not there
 */
export function scrollToPlace (box: HTMLElement, place: Place, limit: string | null): boolean {
  const { top } = box.getBoundingClientRect()
  let by: number
  if (place === 'end') {
    by = box.scrollHeight - box.clientHeight - box.scrollTop
    const first = limit === null ? null : elementOf(box, limit)
    if (first !== null) by = Math.min(by, first.getBoundingClientRect().top - top - ABOVE)
  } else {
    const message = elementOf(box, place.key)
    if (message === null) return false
    by = message.getBoundingClientRect().top - top - place.offset
  }
  if (Math.abs(by) > 0.5) box.scrollTop += by // It takes whole pixels
  return true
}

/**
 * The highest `seq` among the messages that are on screen down to their end, or of which half a screen is seen.
 *
 * @param view the part of the box that can be seen, from its top
 */
export function seenSeq (box: HTMLElement, { from, to }: { from: number, to: number }): number {
  const { top } = box.getBoundingClientRect()
  const height = to - from
  const bottom = top + to
  if (height <= 0) return 0
  const blocks = blocksOf(box)
  const block = firstOf(blocks, (rect) => rect.bottom > bottom) ?? blocks.at(-1)
  const seen = (element: Element) => {
    const rect = element.getBoundingClientRect()
    return rect.bottom <= bottom + 1 || rect.top < bottom - height / 2
  }
  for (let at: Element | null | undefined = block; at != null; at = at.previousElementSibling) {
    if (at.getBoundingClientRect().bottom < top + from) return 0
    const last = [...at.querySelectorAll<HTMLElement>('.message[data-seq]')].findLast(seen)
    if (last !== undefined) return Number(last.dataset.seq)
  }
  return 0
}
