import t from 'tap'
import { FILE_NAME_BYTES, fileName } from '../../files/names.js'
import { HEAD_BYTES, isAccepted, isShown, isTypeRange, TextCheck, typeOfBytes, typeOfText } from '../../files/types.js'
import { picture } from './pictures.js'

/** Beginnings of files with tracks of video, sound and subtitles, as recorders write them. */
const films: Record<'webm' | 'mp4', (tracks: string) => Buffer> = {
  webm: tracks => Buffer.concat([
    element('1a45dfa3', Buffer.concat([element('4286', Buffer.from([1])), element('4282', Buffer.from('webm'))])),
    element('18538067', Buffer.concat([
      element('1549a966', Buffer.alloc(20)),
      element('1654ae6b', Buffer.concat(Array.from(tracks, kind =>
        element('ae', Buffer.concat([element('d7', Buffer.from([1])), element('83', Buffer.from([{ v: 1, a: 2, s: 17 }[kind]!]))]))))),
      element('1f43b675', Buffer.alloc(100), true)
    ]), true)
  ]),
  mp4: tracks => Buffer.concat([
    box('ftyp', Buffer.from('iso5\0\0\0\0iso5mp42', 'latin1')),
    box('moov', box('mvhd', Buffer.alloc(100)), ...Array.from(tracks, kind => box('trak', box('tkhd', Buffer.alloc(84)),
      box('mdia', box('mdhd', Buffer.alloc(24)), box('hdlr', Buffer.from(`${'\0'.repeat(8)}${{ v: 'vide', a: 'soun', s: 'text' }[kind]!}${'\0'.repeat(12)}`, 'latin1')))))),
    box('moof', Buffer.alloc(100))
  ])
}

await t.test('a name is what can be shown of the last segment of a path', async t => {
  const names: Record<string, string> = {
    'holiday.png': 'holiday.png',
    '../../etc/passwd': 'passwd',
    'C:\\Users\\anna\\tax 2026.pdf': 'tax 2026.pdf',
    'a/b\\c': 'c',
    'exe.\u202egnp.scr': 'exe.gnp.scr',
    'a\u0000b\u001fc\u007fd\u0085e\r\nf': 'abcdef',
    'x\ud800y': 'xy',
    '\u2066\u2069': 'file',
    '../': 'file',
    '..': 'file',
    '.': 'file',
    '  ': 'file',
    '': 'file',
    '.htaccess': '.htaccess',
    '写真.jpg': '写真.jpg',
    '👩‍👩‍👧.png': '👩‍👩‍👧.png'
  }
  for (const [given, name] of Object.entries(names)) t.equal(fileName(given), name, JSON.stringify(given))
  t.equal(fileName('é'.repeat(200)), 'é'.repeat(127), 'cut at a character')
  t.equal(fileName(`${'x'.repeat(254)}é`), 'x'.repeat(254))
  t.equal(Buffer.byteLength(fileName('x'.repeat(1000))), FILE_NAME_BYTES)
})

const textOf = (name: string, ...pieces: Array<string | Buffer>): string => {
  const check = new TextCheck(name)
  for (const piece of pieces) check.add(Buffer.from(piece))
  return typeOfText(name, check.end())
}

await t.test('a text is what its extension and its bytes say', async t => {
  t.equal(textOf('a.txt', 'Grüße\tan\r\nalle 👋'), 'text/plain')
  t.equal(textOf('a.LOG', 'x'), 'text/plain')
  t.equal(textOf('a.csv', 'a;b'), 'text/csv')
  t.equal(textOf('a.md', '# a'), 'text/markdown')
  t.equal(textOf('a.json', '{}'), 'application/json')
  t.equal(textOf(`${'x'.repeat(300)}.t\u202ext`, 'x'), 'text/plain', 'also if the name is too long to be shown with it')
  t.equal(textOf('a.txt', Buffer.from('👋').subarray(0, 2), Buffer.from('👋').subarray(2)), 'text/plain', 'a character in two pieces')
  for (const [name, ...bytes] of [
    ['a.txt', Buffer.from([0xff, 0xfe])], ['a.txt', Buffer.from('👋').subarray(0, 2)], ['a.txt', 'a\u0000'], ['a.txt', 'a\u001b[31m'], ['a.txt', '\u0085'],
    ['a.txt/x', 'x'], ['a.html', '<b>'], ['a.svg', '<svg/>'], ['a', 'x'], ['txt', 'x'], ['a.constructor', 'x']
  ] as Array<[string, string | Buffer]>) t.equal(textOf(name, ...bytes), 'application/octet-stream', `${name} ${String(bytes)}`)
})

await t.test('a type is what the first bytes say', async t => {
  t.equal(await typeOfBytes(await picture('png')), 'image/png')
  t.equal(await typeOfBytes(Buffer.from(`OggS\0\x02${'\0'.repeat(20)}\x01\x13OpusHead\x01\x01`, 'latin1')), 'audio/ogg', 'without parameters')
  t.equal(await typeOfBytes(Buffer.from('%PDF-1.7\n')), 'application/pdf')
  t.equal(await typeOfBytes(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>')), undefined)
  t.equal(await typeOfBytes(Buffer.from('<!doctype html><script>alert(1)</script>')), undefined)
  t.equal(await typeOfBytes(Buffer.from('<?xml version="1.0"?><svg/>')), 'application/xml')
  t.equal(await typeOfBytes(Buffer.alloc(0)), undefined)
  t.equal(await typeOfBytes(Buffer.from('\ufeffText of Windows', 'utf16le')), undefined, 'no film, and no music')
  t.equal(await typeOfBytes(Buffer.from('\ufeff<?xml version="1.0"?>', 'utf16le')), 'application/xml')
  t.equal(await typeOfBytes(Buffer.from([0xff, 0xfb, 0x90, 0x64, ...Buffer.alloc(500)])), 'audio/mpeg')
  for (const [name, film] of Object.entries(films)) {
    for (const [tracks, type] of [['a', 'audio'], ['v', 'video'], ['va', 'video'], ['av', 'video'], ['', 'video'], ['s', 'video']] as const) {
      t.equal(await typeOfBytes(film(tracks)), `${type}/${name}`, `${name} with ${tracks}`)
    }
    const [whole, sound] = [film('av'), film('a')]
    for (let end = 30; end < whole.length; end++) t.not(await typeOfBytes(whole.subarray(0, end)), `audio/${name}`, 'not where the end of the tracks is not known')
    for (let at = 30; at < sound.length; at++) await typeOfBytes(Buffer.from(sound.map((byte, index) => index === at ? 255 - byte : byte)))
  }
  for (let seed = 0; seed < 50; seed++) await typeOfBytes(Buffer.concat([Buffer.from(['PK\x03\x04', 'RIFF', '\0\0\0\x18ftypmp42', 'ID3\x04', 'fLaC', '\x30\x26\xb2\x75'][seed % 6]!, 'latin1'), Buffer.alloc(HEAD_BYTES, seed)]))
})

await t.test('nothing that runs is shown', async t => {
  for (const type of ['image/svg+xml', 'text/html', 'application/xml', 'text/xml', 'application/pdf', 'text/plain', 'application/octet-stream', 'image/heic', 'application/xhtml+xml']) t.notOk(isShown(type), type)
  for (const type of ['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif', 'image/apng', 'video/mp4', 'video/x-m4v', 'video/webm', 'audio/x-m4a', 'audio/mpeg', 'audio/ogg']) t.ok(isShown(type), type)
})

await t.test('types that are accepted', async t => {
  t.ok(isAccepted('x/y', []))
  t.ok(isAccepted('x/y', ['*/*']))
  t.ok(isAccepted('image/png', ['application/pdf', 'image/*']))
  t.notOk(isAccepted('imagex/png', ['image/*']))
  t.notOk(isAccepted('text/plain', ['image/*', 'application/pdf']))
  for (const good of ['image/*', '*/*', 'application/vnd.ms-excel', 'image/svg+xml']) t.ok(isTypeRange(good), good)
  for (const bad of ['image', '*/png', 'image/', '/png', 'image/*;q=1', 'a b/c', '']) t.notOk(isTypeRange(bad), bad)
})

/** An element of WebM. Without a size it is open, as a recorder writes it. */
function element (id: string, content: Buffer, isOpen = false): Buffer {
  const size = isOpen ? Buffer.from('01ffffffffffffff', 'hex') : Buffer.from([0x40 | (content.length >> 8), content.length & 0xff])
  return Buffer.concat([Buffer.from(id, 'hex'), size, content])
}

function box (name: string, ...content: Buffer[]): Buffer {
  const head = Buffer.from(`\0\0\0\0${name}`, 'latin1')
  head.writeUInt32BE(8 + Buffer.concat(content).length)
  return Buffer.concat([head, ...content])
}
