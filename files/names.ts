/** Maximum length of a file's name, in bytes of UTF-8. */
export const FILE_NAME_BYTES = 255

/** Controls, lone surrogates, and characters that change the direction of the text that follows: `exe.<RLO>gnp` would be shown as `exe.png`. */
const unwanted = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]/gu

/** The name that a file is shown and downloaded under. It never becomes part of a path of the server. */
export function fileName (given: string): string {
  const name = cut(segmentOf(given))
  return name.trim() === '' || name === '.' || name === '..' ? 'file' : name
}

const segmentOf = (given: string): string => given.split(/[/\\]/).at(-1)!.replace(unwanted, '')

/** Cuts the text between two characters. */
function cut (text: string): string {
  let bytes = 0
  let length = 0
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > FILE_NAME_BYTES) break
    length += character.length
  }
  return text.slice(0, length)
}

/** The extension of the name that was given, in lower case and without its dot; empty if there is none. A long name is shown without it. */
export const extensionOf = (given: string): string => /\.([^.]*)$/.exec(segmentOf(given))?.[1]?.toLowerCase() ?? ''
