import { expect, test } from 'vitest'
import { markedText } from '@/composables/markedText'

const mark = (start: number, end: number) => ({ section: 'impression', start, end })

test('markedText_evidence_in_the_middle_then_three_pieces', () => {
  expect(markedText('考虑肝癌可能', [mark(2, 4)]).map((piece) => [piece.text, Boolean(piece.evidence)])).toEqual([
    ['考虑', false],
    ['肝癌', true],
    ['可能', false],
  ])
})

test('markedText_characters_outside_the_basic_plane_then_offsets_are_code_points', () => {
  // 𠮷 is one code point for Python and two UTF-16 units for JavaScript
  expect(markedText('𠮷肝癌', [mark(1, 3)]).map((piece) => piece.text)).toEqual(['𠮷', '肝癌'])
})

test('markedText_evidence_overlaps_or_lies_outside_then_no_text_is_lost', () => {
  const pieces = markedText('abcdef', [mark(0, 3), mark(2, 5), mark(4, 99), mark(3, 3)])
  expect(pieces.map((piece) => piece.text).join('')).toBe('abcdef')
  expect(pieces.filter((piece) => piece.evidence).map((piece) => piece.text)).toEqual(['abc'])
})

test('markedText_no_evidence_then_one_plain_piece', () => {
  expect(markedText('abc', [])).toEqual([{ text: 'abc' }])
  expect(markedText('', [])).toEqual([])
})
