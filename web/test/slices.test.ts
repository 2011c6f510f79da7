import { describe, expect, it } from 'vitest'
import { frames, inOrder, isVolume, nearest, pictureNamed, type DicomJson } from '@/dicom/slices'

const slice = (z: number, number: number, extra: Partial<DicomJson> = {}): DicomJson => ({
  '00080018': { vr: 'UI', Value: [`1.${number}`] },
  '00280010': { vr: 'US', Value: [64] },
  '00280011': { vr: 'US', Value: [64] },
  '00280004': { vr: 'CS', Value: ['MONOCHROME2'] },
  '00200013': { vr: 'IS', Value: [number] },
  '00200032': { vr: 'DS', Value: [0, 0, z] },
  '00200037': { vr: 'DS', Value: [1, 0, 0, 0, 1, 0] },
  ...extra,
})
const numbersOf = (all: DicomJson[]): unknown[] => all.map((one) => one['00200013']?.Value?.[0])

describe('the order of slices', () => {
  it('follows the position, not the number', () => {
    expect(numbersOf(inOrder([slice(10, 1), slice(0, 3), slice(5, 2)]))).toEqual([3, 2, 1])
  })
  it('follows the number when orientations differ, and leaves out what holds no pixels', () => {
    const turned = slice(0, 1, { '00200037': { vr: 'DS', Value: [0, 1, 0, 0, 0, -1] } })
    expect(numbersOf(inOrder([slice(9, 2), turned, { '00200013': { vr: 'IS', Value: [0] } }]))).toEqual([1, 2])
  })
  it('calls a regular stack a volume and nothing else', () => {
    const regular = [0, 5, 10, 15].map((z, n) => slice(z, n))
    expect(isVolume(regular)).toBe(true)
    expect(isVolume([0, 5, 10, 25].map((z, n) => slice(z, n)))).toBe(false)
    expect(isVolume(regular.slice(0, 3))).toBe(false)
    expect(isVolume(regular.map((one) => ({ ...one, '00280008': { vr: 'IS', Value: [2] } })))).toBe(false)
  })
  it('finds the slice nearest to a place of another series', () => {
    expect(nearest([0, 5, 10].map((z, n) => slice(z, n)), [3, 3, 6.4])).toBe(1)
    expect(nearest([slice(0, 1, { '00200037': { vr: 'DS', Value: [] } })], [0, 0, 1])).toBeNull()
  })
  it('counts frames of a multi-frame object from 1', () => {
    expect(frames([slice(0, 1), slice(1, 2, { '00280008': { vr: 'IS', Value: [2] } })])).toEqual([
      { instance: 0, frame: 1 }, { instance: 1, frame: 1 }, { instance: 1, frame: 2 },
    ])
  })
})

it('pictureNamed_series_number_differs_then_nothing_else_the_picture_of_that_instance_number', () => {
  const pictures = [7, 8, 9].map((number) => ({ '00200011': { vr: 'IS', Value: [3] }, '00200013': { vr: 'IS', Value: [number] } }))
  expect(pictureNamed(pictures, 3, 8)).toBe(1)
  expect(pictureNamed(pictures, null, 9)).toBe(2)
  expect(pictureNamed(pictures, 4, 8)).toBeNull()
  expect(pictureNamed(pictures, null, 10)).toBeNull()
})
