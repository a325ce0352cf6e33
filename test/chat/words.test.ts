import { test } from 'tap'
import { fold, hasTerms, piecesOf, termsOf } from '../../chat/words.js'

test('texts are compared without case, accents and compatibility forms', t => {
  t.equal(fold('CAFÉ'), 'cafe')
  t.equal(fold('Й'), fold('и'))
  t.equal(fold('ﬁlm ①'), 'film 1')
  t.equal(fold('한국'), '한국', 'Hangul stays composed')
  t.end()
})

test('what a term finds', t => {
  const cases: Array<[text: string, query: string, found: boolean]> = [
    ['Zoë Café', 'caf', true], ['Zoë Café', 'zoe CAFÉ', true], ['Zoë Café', 'cafe zoe', true], ['Zoë Café', 'afe', false], ['Zoë Café', 'zoe tea', false],
    ['WiFi 6E', 'wifi-6', true], ['WiFi 6E', 'wif-6', false], ['WiFi 66E', 'wifi-6', true], ['WiFi or 6E', 'wifi-6', false],
    ['Anna-Lena', 'lena', true], ['Anna-Lena', 'anna-l', true], ['Anna-Lena', 'ann-lena', false], ['snake_case', 'case', false],
    ['山田太郎', '田', true], ['山田太郎', '太郎', true], ['山田太郎', '郎太', false], ['สมชาย', 'ชาย', true], ['김민수', '민', true],
    ['山田Taro', 'tar', true], ['山田Taro', 'aro', false], ['山田Taro', '田ta', true], ['山田Taro', '山ta', false], ['東京2020', '2020', true], ['東京2020', '020', false],
    ['Иван', 'ив', true], ['Μαρία', 'μαρια', true], ['a b', '! b', true]
  ]
  for (const [text, query, found] of cases) t.equal(hasTerms(piecesOf(text), termsOf(query)), found, `${query} in ${text}`)
  t.strictSame(termsOf('?! 🙂'), [])
  t.end()
})
