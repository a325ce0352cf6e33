/** How long a finger must rest on a message to open its menu, in milliseconds. */
const LONG_PRESS_MS = 450
/** The distance after which a finger no longer rests, and after which a message is swept aside, in pixels. */
const MOVED = 10
const SWEPT = 56

export interface TouchHandlers {
  /** A finger has rested on a message. */
  onPress (message: HTMLElement, x: number, y: number): void
  /** A finger has rested on a reaction. */
  onHold (reaction: HTMLElement): void
  /** A message was swept aside. */
  onSweep (message: HTMLElement): void
}

/** Follows long presses and sweeps of the messages in a box. Reading up and down stays the browser's. @returns a function that ends it */
export function followTouch (element: HTMLElement, { onPress, onHold, onSweep }: TouchHandlers): () => void {
  let touched: { message: HTMLElement, row: HTMLElement, x: number, y: number, sweeping: boolean, by: number } | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  /** Whether the finger has rested on a reaction: lifting it must not press that. */
  let held = false

  function end (): void {
    clearTimeout(timer)
    if (touched === null) return
    const { row, message, by } = touched
    row.style.removeProperty('translate')
    touched = null
    if (by > SWEPT) onSweep(message)
  }
  const lift = (event: TouchEvent) => {
    if (held && event.cancelable) event.preventDefault()
    held = false
    end()
  }
  const start = (event: TouchEvent) => {
    end()
    held = false
    const target = event.target as Element
    const message = target.closest<HTMLElement>('.message')
    const reaction = target.closest<HTMLElement>('.reaction')
    const row = message?.querySelector<HTMLElement>('.message-row')
    const touch = event.touches[0]
    if (message == null || row == null || touch === undefined || event.touches.length > 1) return
    const { clientX: x, clientY: y } = touch
    touched = { message, row, x, y, sweeping: false, by: 0 }
    timer = setTimeout(() => {
      touched = null
      held = reaction !== null
      if (reaction === null) onPress(message, x, y)
      else onHold(reaction)
    }, LONG_PRESS_MS)
  }
  const move = (event: TouchEvent) => {
    const touch = event.touches[0]
    if (touched === null || touch === undefined) return
    const inwards = getComputedStyle(element).direction === 'rtl' ? -1 : 1
    const across = (touch.clientX - touched.x) * inwards
    const down = Math.abs(touch.clientY - touched.y)
    if (Math.abs(across) > MOVED || down > MOVED) clearTimeout(timer)
    if (!touched.sweeping && down > MOVED) touched = null
    else if (touched.sweeping || across > MOVED) {
      touched.sweeping = true
      touched.by = across
      touched.row.style.translate = `${Math.max(0, Math.min(across, SWEPT * 1.5)) * inwards}px 0`
      if (event.cancelable) event.preventDefault()
    }
  }
  const cancel = () => {
    if (touched !== null) touched.by = 0
    end()
  }
  element.addEventListener('touchstart', start, { passive: true })
  element.addEventListener('touchmove', move, { passive: false })
  element.addEventListener('touchend', lift)
  element.addEventListener('touchcancel', cancel)
  return () => {
    cancel()
    element.removeEventListener('touchstart', start)
    element.removeEventListener('touchmove', move)
    element.removeEventListener('touchend', lift)
    element.removeEventListener('touchcancel', cancel)
  }
}
