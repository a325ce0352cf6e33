import t from 'tap'
import { cursorOfAll, cursorOfCatchUp, cursorOfTopic, parseCursor } from '../../chat/event-id.js'
import { newTag } from '../../store/tag.js'

const identity = 'a1b2c3d4e5'
const at = (position: number, tag: string | undefined) => ({ position, tag })

t.test('each form is read as it was written', async t => {
  t.equal(cursorOfTopic(identity, 7, 42, 'tag00001'), `${identity}.7-tag00001.42`)
  t.strictSame(parseCursor(`${identity}.7-tag00001.42`), { kind: 'topic', identity, num: 7, seq: 42, tag: 'tag00001' })

  t.equal(cursorOfAll(identity, at(9, 'tag00009')), `${identity}.all-tag00009.9`)
  t.equal(cursorOfAll(identity, at(9, 'tag00009'), at(8, 'tag00008')), `${identity}.all-tag00009.9`, 'what was shown is part of what was seen')
  t.strictSame(parseCursor(`${identity}.all-tag00009.9`), { kind: 'all', identity, from: 9, shown: at(9, 'tag00009') })
  t.equal(cursorOfAll(identity, at(9, 'tag00009'), at(12, 'tag00012')), `${identity}.all-tag00012-12.9`)
  t.strictSame(parseCursor(`${identity}.all-tag00012-12.9`), { kind: 'all', identity, from: 9, shown: at(12, 'tag00012') })

  t.equal(cursorOfCatchUp(identity, 3, at(9, 'tag00009'), { num: 7, seq: 42 }, at(4, 'tag00004')), `${identity}.all-tag00009.3.9.7.42`)
  t.strictSame(parseCursor(`${identity}.all-tag00009.3.9.7.42`), { kind: 'all', identity, from: 3, shown: at(9, 'tag00009'), partial: { to: 9, num: 7, seq: 42 } })
  t.equal(cursorOfCatchUp(identity, 3, at(9, undefined), { num: 7, seq: 42 }, at(12, 'tag00012')), `${identity}.all-tag00012-12.3.9.7.42`)
  t.strictSame(parseCursor(`${identity}.all-tag00012-12.3.9.7.42`), { kind: 'all', identity, from: 3, shown: at(12, 'tag00012'), partial: { to: 9, num: 7, seq: 42 } })
})

t.test('forms without a tag, as there is none or as versions before wrote them', async t => {
  t.equal(cursorOfTopic(identity, 7, 0, null), `${identity}.7.0`)
  t.equal(cursorOfAll(identity, at(0, undefined)), `${identity}.all.0`)
  t.strictSame(parseCursor(`${identity}.7.42`), { kind: 'topic', identity, num: 7, seq: 42, tag: undefined })
  t.strictSame(parseCursor(`${identity}.all.9`), { kind: 'all', identity, from: 9, shown: at(9, undefined) })
  t.strictSame(parseCursor(`${identity}.all.3.9.7.42`), { kind: 'all', identity, from: 3, shown: at(9, undefined), partial: { to: 9, num: 7, seq: 42 } })
})

t.test('none of ours', async t => {
  for (const id of ['', '1', 'null', `${identity}.7-.42`, `${identity}.7-tag00001`, `${identity}.7-tag00001.42.1`, `${identity}.all-tag00001`, `${identity}.all-12-.9`,
    `${identity}.all-tag00001.9.9`, `${identity}.7-TAG00001.42`, `${identity}.7-tag00001tag00001x.42`, `${identity}.7-tag00001.42\n`]) {
    t.equal(parseCursor(id), undefined, JSON.stringify(id))
  }
})

t.test('the longest is a header that needs no preflight', async t => {
  const tag = 'z'.repeat(16)
  const position = 10 ** 15 - 1
  const longest = cursorOfCatchUp('z'.repeat(32), position - 2, at(position - 1, tag), { num: 2 ** 31 - 1, seq: 2 ** 31 - 1 }, at(position, tag))
  t.match(longest, /^[A-Za-z0-9._:-]{1,128}$/)
  t.ok(parseCursor(longest))
  const tags = Array.from({ length: 1000 }, newTag)
  t.ok(tags.every(made => /^[a-z0-9]{8}$/.test(made)))
  t.equal(new Set(tags).size, 1000)
})
