import { QueryClient, QueryClientProvider } from '@tanstack/react-query'
import { createMemoryHistory, createRootRoute, createRoute, createRouter, RouterProvider } from '@tanstack/react-router'
import { act, screen, waitFor, within } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { drawn } from '@/ui/testing'
import { ResultInspector } from './ResultInspector'
import type { ResultDetail } from './types'

const VERSION = {
  version_number: 1,
  kind: 'preliminary',
  sections: { impression: 'Probably haemorrhage.', findings: 'Dense focus.\n14 mm.', technique: '' },
  signed_by_name: 'Dr. Inès Moreau',
  signed_at: '2026-11-25T03:20:00Z',
  signed_by_person_name: null,
  signed_by_npi: null,
}
const DETAIL: ResultDetail = {
  result: {
    requested_procedure_pk: 7,
    patient: {
      patient_pk: 1, patient_name: 'Doe^Jane', patient_sex: 'F', patient_birth_date: '1970-01-01', age: '56 y', patient_id: 'P1',
      issuer_of_patient_id: 'HOSPITAL', allergies: [], severe_allergy: false, pregnancy_status: null, implants: null, renal: null,
      medical_alerts: null, confidentiality: null, deceased: false, unidentified: false,
    },
    accession_number: 'A1', requested_procedure_description: 'XR knee, RIGHT', modality: 'DX', laterality: 'R',
    requested_procedure_priority: 'STAT', reason_for_the_requested_procedure: 'Fall', site_code: 'RIV', time_zone: 'America/New_York',
    ordered_at: '2026-11-25T03:00:00Z', starts_at: null, first_image_at: '2026-11-25T03:10:00Z', number_of_instances: 2,
    state: 'preliminary', state_reason: null, latest_at: '2026-11-25T03:20:00Z', unseen: true, version_number: 1,
    signed_at: '2026-11-25T03:20:00Z', signed_by_name: 'Dr. Inès Moreau', impression: 'Probably haemorrhage.', seen_at: null,
    acknowledged_at: null, acknowledged: false,
  },
  institution_name: 'Riverside', report_pk: 3, procedures: ['XR knee, RIGHT'], versions: [VERSION], replaces: null,
  seen_version_number: null,
  studies: [
    {
      study_pk: 5, study_instance_uid: '1.2.3', study_date: '2026-11-25', study_description: 'Knee', modalities_in_study: ['DX'],
      number_of_study_related_instances: 2, thumbnail_url: '/dicom-web/studies/1.2.3/thumbnail',
    },
  ],
  key_images: [],
} // prettier-ignore
let sent: [string, string, unknown][]

beforeEach(() => {
  sent = []
  vi.stubGlobal('fetch', (path: string, init: RequestInit) => {
    sent.push([init.method ?? 'GET', path, init.body ? JSON.parse(String(init.body)) : undefined])
    return Promise.resolve(new Response(null, { status: 204 }))
  })
})

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

async function shown(detail: ResultDetail, onSeen = vi.fn()) {
  const root = createRootRoute()
  const here = createRoute({
    getParentRoute: () => root,
    path: '/',
    component: () => <ResultInspector detail={detail} error={null} onRetry={vi.fn()} onSeen={onSeen} />,
  })
  const images = createRoute({ getParentRoute: () => root, path: '/results/$studyPk/images', component: () => <p>The images</p> })
  const router = createRouter({
    routeTree: root.addChildren([here, images]),
    history: createMemoryHistory({ initialEntries: ['/'] }),
  })
  drawn(
    <QueryClientProvider client={new QueryClient()}>
      <RouterProvider router={router as never} />
    </QueryClientProvider>,
  )
  await screen.findByRole('article', { name: 'Result' })
  return { onSeen, router }
}

const with_ = (result: Partial<ResultDetail['result']>, rest: Partial<ResultDetail> = {}): ResultDetail => ({
  ...DETAIL,
  ...rest,
  result: { ...DETAIL.result, ...result },
})

describe('a result', () => {
  it('marks a preliminary text as such and puts the impression first, with the side spelt once', async () => {
    await shown(DETAIL)
    expect(screen.getByText('Preliminary report.')).toBeTruthy()
    expect(screen.getAllByRole('heading', { level: 2 })[0]?.textContent?.match(/RIGHT/g)).toHaveLength(1)
    const titles = screen.getAllByRole('heading', { level: 3 }).map((heading) => heading.textContent)
    expect(titles).toEqual(['Impression', 'Findings'])
  })

  it('counts as seen after it was on the screen for a while, and not before', async () => {
    const { onSeen } = await shown(DETAIL)
    expect(sent).toEqual([])
    await waitFor(() => expect(onSeen).toHaveBeenCalledWith(7), { timeout: 4000 })
    expect(sent).toEqual([['PUT', '/api/results/7/seen', { version_number: 1 }]])
  })

  it('is not marked again where it was seen', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true })
    await shown(with_({ unseen: false }))
    await act(() => vi.advanceTimersByTimeAsync(5000))
    expect(sent).toEqual([])
  })

  it('is acknowledged by its version', async () => {
    await shown(with_({ unseen: false }))
    await userEvent.click(screen.getByRole('button', { name: 'Acknowledge' }))
    expect(sent[0]).toEqual(['PUT', '/api/results/7/acknowledgment', { version_number: 1 }])
  })

  it('says what a final text replaces, and shows addenda before it', async () => {
    const final = { ...VERSION, version_number: 2, kind: 'final', sections: { impression: 'Haemorrhage.' } }
    const addendum = { ...VERSION, version_number: 3, kind: 'addendum', sections: { addendum: 'Called.' } }
    await shown(
      with_(
        { unseen: false, state: 'addended', version_number: 3 },
        { versions: [final, addendum], replaces: VERSION.signed_at, seen_version_number: 1 },
      ),
    )
    expect(screen.queryByText('Preliminary report.')).toBeNull()
    expect(screen.getByText(/replaces the preliminary one of .*which you read/)).toBeTruthy()
    const article = screen.getByRole('article', { name: 'Result' })
    const text = article.textContent ?? ''
    expect(text.indexOf('Called.')).toBeLessThan(text.indexOf('Haemorrhage.'))
    expect(within(article).getByRole('link', { name: 'PDF' }).getAttribute('href')).toBe('/api/results/7/pdf')
  })

  it('says how far it is where nothing is signed', async () => {
    await shown(with_({ unseen: false, state: 'canceled', state_reason: 'ordered twice', version_number: null }, { versions: [] }))
    expect(screen.getByText(/The order was cancelled: ordered twice\./)).toBeTruthy()
    expect(screen.queryByRole('button', { name: 'Acknowledge' })).toBeNull()
    expect(screen.queryByRole('link', { name: 'PDF' })).toBeNull()
  })

  it('opens the images', async () => {
    await shown(with_({ unseen: false }))
    await userEvent.click(screen.getByRole('button', { name: 'Images' }))
    expect(await screen.findByText('The images')).toBeTruthy()
  })
})
