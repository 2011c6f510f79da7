import { expect, test } from 'vitest'
import { mentionsOf } from '@/dicom/mentions'

const told = (text: string) => mentionsOf(text).map(({ start, end, series, image }) => [text.slice(start, end), series, image])

test('mentionsOf_series_and_image_are_named_then_both', () => {
  expect(told('Nodule in segment 7 (Se 3, Im 12), unchanged.')).toEqual([['Se 3, Im 12', 3, 12]])
  expect(told('肝右叶结节（序列4，图像35）')).toEqual([['序列4，图像35', 4, 35]])
})

test('mentionsOf_only_an_image_is_named_then_no_series', () => {
  expect(told('best seen on image 8 and slice #21')).toEqual([['image 8', null, 8], ['slice #21', null, 21]])
  expect(told('病灶见于第17层')).toEqual([['第17层', null, 17]])
})

test('mentionsOf_measures_and_plain_numbers_then_nothing', () => {
  expect(told('层厚5mm，slices 1.25 mm thick, segment 8, 3.3×2.8cm，图1.5cm')).toEqual([])
  expect(told('')).toEqual([])
})
