import { afterEach, expect, it, vi } from 'vitest'
import { forgetAhead } from '@/lib/api/http'
import { askOpening, forgetOpening, openedAt, openedMetadata, openedSeries, untilOpened } from './openings'

const ready = () => Promise.resolve()
const OPENING = { study_instance_uid: '1.2', series: [{}], metadata: { '1.3': [{}, {}] }, beginning: null }
const answers = (status = 200) => vi.spyOn(globalThis, 'fetch').mockImplementation(() => Promise.resolve(new Response(JSON.stringify(OPENING), { status, headers: { 'content-type': 'application/json' } })))

afterEach(() => forgetOpening('1.2'))

it('tells what was asked for ahead of that study alone, once it is here', async () => {
  answers()
  void askOpening('7', ready)
  expect(openedSeries('1.2')).toBeUndefined()
  await untilOpened()
  expect(openedSeries('1.2')).toEqual([{}])
  expect(openedMetadata('1.2', '1.3')).toEqual([{}, {}])
  expect(openedMetadata('1.2', '1.4')).toBeUndefined()
  expect([openedSeries('1.5'), openedSeries(null), openedAt('1.5')]).toEqual([undefined, undefined, null])
})

it('tells nothing that is old, has changed, or is of another person', async () => {
  answers()
  const opened = async () => {
    await askOpening('7', ready)
    expect(openedSeries('1.2')).toEqual([{}])
  }
  await opened()
  forgetOpening('1.2')
  expect(openedSeries('1.2')).toBeUndefined()
  await opened()
  forgetAhead()
  expect(openedSeries('1.2')).toBeUndefined()
  await opened()
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 6_000)
  expect(openedSeries('1.2')).toBeUndefined()
})

it('leaves what it cannot have to who asks for each part', async () => {
  answers(503)
  expect(await askOpening('7', ready)).toBeNull()
  await untilOpened()
  expect(openedSeries('1.2')).toBeUndefined()
})
