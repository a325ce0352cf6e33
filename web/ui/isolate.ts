/** Characters that write from right to left, or that change the direction of what follows. */
const turning = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}\u200e\u200f\u202a-\u202e\u2066-\u2069]/u
const controls = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Whether all that turns is within U+2068 and U+2069 already. */
function isClosed (text: string): boolean {
  let depth = 0
  for (const letter of text) {
    if (letter === '\u2068') depth++
    else if (letter === '\u2069' && depth > 0) depth--
    else if (depth === 0 && turning.test(letter)) return false
  }
  return depth === 0
}

/**
 * A name for use within a sentence. One that could change the direction of the words around it is set between U+2068 and
 * U+2069, without its own controls. Other names stay as they are, so that a search finds the sentence.
 */
export const isolate = (name: string): string => isClosed(name) ? name : `\u2068${name.replace(controls, '')}\u2069`
