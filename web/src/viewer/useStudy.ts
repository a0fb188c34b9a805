import { useQueries, useQuery, useQueryClient, type Query, type QueryClient } from '@tanstack/react-query'
import { useEffect, useMemo, useRef } from 'react'
import { http, useLiveEvents } from '@/lib/api'
import type { DicomJson } from './dicom'
import { AHEAD_INSTANCES, headsOf, JSON_TYPE, metadataPath, seriesPath } from './listing'
import { documentOf, standing, type KeptDocument } from './keep/structured'
import { firstStack } from './hanging/builtIn'
import type { Layer } from './overlays/layers'
import { layersOf } from './overlays/read'
import { forgetOpening, KEPT_AHEAD_MS, noteFetched, openedAt, openedMetadata, openedSeries, untilOpened } from './openings'
import { papersOfSeries, type Paper } from './papers/paper'
import { fetchBeginning, watchLink } from './pixels/beforehand'
import { makeStacks, stacksOfSeries, type SeriesHead, type Stack } from './stacks'
import type { ViewerStudy } from './study'

/** While a study arrives its metadata is asked for again at most this often. */
const REFRESH_MS = 1_500

/** What a study says of itself is large: it is kept no longer than a reader needs to come back from a wrong turn. */
const KEPT_MS = 10_000

/** So long after a study was opened by what was asked for ahead it is asked whether more has come since. */
const EARLY_MS = 3_000

const rootOf = (studyInstanceUid: string | null) => ['dicomweb', studyInstanceUid] as const

/** News of a study is heard while it is shown: what was kept, and nobody looked at since, is asked for anew. */
const refetchOnMount = (query: Query<DicomJson[]>) => (query.getObserversCount() > 1 || isOpening(query) ? false : ('always' as const))

/** Whether no more is known than was asked for ahead, a moment ago. */
function isOpening({ state }: { state: { data?: unknown; dataUpdateCount: number; dataUpdatedAt: number } }): boolean {
  return state.data !== undefined && state.dataUpdateCount === 0 && Date.now() - state.dataUpdatedAt < EARLY_MS
}

/** What was asked for ahead, if it is, else what is asked for now. */
async function answered(opened: () => DicomJson[] | undefined, ask: () => Promise<DicomJson[]>): Promise<DicomJson[]> {
  await untilOpened()
  return opened() ?? ask()
}

const seriesQuery = (studyInstanceUid: string | null) => ({
  queryKey: [...rootOf(studyInstanceUid), 'series'],
  staleTime: 60_000,
  gcTime: KEPT_MS,
  refetchOnMount,
  initialData: () => openedSeries(studyInstanceUid),
  initialDataUpdatedAt: () => openedAt(studyInstanceUid) ?? undefined,
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    answered(
      () => openedSeries(studyInstanceUid),
      () => http.get<DicomJson[]>(seriesPath(studyInstanceUid ?? ''), { headers: JSON_TYPE, signal }),
    ),
})

const metadataKey = (studyInstanceUid: string | null, seriesInstanceUid: string) => [...rootOf(studyInstanceUid), 'metadata', seriesInstanceUid]

const metadataQuery = (studyInstanceUid: string | null, head: SeriesHead) => ({
  queryKey: metadataKey(studyInstanceUid, head.seriesInstanceUid),
  staleTime: Infinity,
  gcTime: KEPT_MS,
  refetchOnMount,
  // Comparing all of it with what was there before takes longer than to read it anew.
  structuralSharing: false,
  initialData: () => openedMetadata(studyInstanceUid, head.seriesInstanceUid),
  initialDataUpdatedAt: () => openedAt(studyInstanceUid) ?? undefined,
  queryFn: ({ signal }: { signal: AbortSignal }) =>
    answered(
      () => openedMetadata(studyInstanceUid, head.seriesInstanceUid),
      async () => {
        const found = await http.get<DicomJson[]>(metadataPath(studyInstanceUid ?? '', head.seriesInstanceUid), { headers: JSON_TYPE, signal })
        await makeStacks(studyInstanceUid ?? '', head, found)
        return found
      },
    ),
})

/**
 * Fetches ahead what says which pictures a study has, for who is about to open it: its first series, as they are read; and
 * on a slow way the coarse picture that is seen first.
 */
export async function fetchAhead(client: QueryClient, { study_pk: studyPk, study_instance_uid: studyInstanceUid }: Pick<ViewerStudy, 'study_pk' | 'study_instance_uid'>): Promise<void> {
  watchLink()
  const heads = headsOf(await client.fetchQuery({ ...seriesQuery(studyInstanceUid), gcTime: KEPT_AHEAD_MS }))
  let instances = 0
  const stacks: Stack[] = []
  for (const head of heads) {
    instances += head.instances
    if (instances > AHEAD_INSTANCES) break
    const query = metadataQuery(studyInstanceUid, head)
    await client.prefetchQuery({ ...query, gcTime: KEPT_AHEAD_MS })
    const metadata = client.getQueryData<DicomJson[]>(query.queryKey)
    if (metadata) stacks.push(...stacksOfSeries(studyInstanceUid, head, metadata))
  }
  noteFetched(studyPk)
  const first = firstStack(stacks)
  if (first) await fetchBeginning(first)
}

/** A series with the stacks that its metadata makes; `stacks` is undefined until that has come. */
export interface LoadedSeries extends SeriesHead {
  stacks: readonly Stack[] | undefined
  /** What of it is no picture and stands among the series: not what was kept here, which the list of what is on the study has. */
  papers: readonly Paper[]
  /** What of it is laid over the pictures of others. */
  layers: readonly Layer[]
  error: unknown
}

export interface LoadedStudy {
  series: readonly LoadedSeries[]
  stacks: readonly Stack[]
  /** All that can be opened though it is no picture. */
  papers: readonly Paper[]
  /** Segmentations and structures. */
  layers: readonly Layer[]
  /** What readers and programs left on the study: measurements, presentations, key images; the newest first. */
  documents: readonly KeptDocument[]
  loading: boolean
  error: unknown
}

/** The series of a study by QIDO-RS and their metadata by WADO-RS, kept fresh while pictures arrive. */
export function useStudy(studyInstanceUid: string | null): LoadedStudy {
  const client = useQueryClient()
  const list = useQuery({ ...seriesQuery(studyInstanceUid), enabled: studyInstanceUid !== null, select: headsOf })
  const heads = list.data
  const metadata = useQueries({
    queries: (heads ?? []).map((head) => metadataQuery(studyInstanceUid, head)),
    combine: (results) => ({
      data: results.map((result) => result.data),
      errors: results.map((result) => result.error),
      stamp: results.map((result) => result.dataUpdatedAt + (result.error ? 0.5 : 0)).join(),
    }),
  })

  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const soon = (refresh: () => unknown) => {
    timer.current ??= setTimeout(() => {
      timer.current = undefined
      void refresh()
    }, REFRESH_MS)
  }
  const all = () => {
    forgetOpening(studyInstanceUid)
    return client.invalidateQueries({ queryKey: rootOf(studyInstanceUid) })
  }
  useLiveEvents(
    ['study.updated'],
    (event) => (event.keys['study_instance_uid'] === studyInstanceUid ? soon(all) : undefined),
    (early) => (studyInstanceUid === null ? undefined : soon(early ? () => refreshCounted(client, studyInstanceUid) : all)),
  )
  useEffect(() => () => clearTimeout(timer.current), [])
  // What changed between what was asked for ahead and the first listening was not heard.
  const isHere = heads !== undefined
  useEffect(() => {
    if (!isHere || studyInstanceUid === null || openedAt(studyInstanceUid) === null) return undefined
    const early = setTimeout(() => void refreshCounted(client, studyInstanceUid), EARLY_MS)
    return () => clearTimeout(early)
  }, [client, studyInstanceUid, isHere])

  const { data, errors, stamp } = metadata
  return useMemo(() => {
    const documents = data
      .flatMap((instances) => instances ?? [])
      .map(documentOf)
      .filter((one) => one !== null)
      .sort((a, b) => `${b.date}${b.time}`.localeCompare(`${a.date}${a.time}`))
    const papers = new Map((heads ?? []).map((head, at) => [head, studyInstanceUid ? papersOfSeries(studyInstanceUid, head, data[at] ?? []) : []] as const))
    const reports = new Set(standing(documents).flatMap((one) => (one.kind === 'report' ? [one.sopInstanceUid] : [])))
    const series = (heads ?? []).map((head, at): LoadedSeries => {
      const instances = data[at]
      return {
        ...head,
        stacks: instances && studyInstanceUid ? stacksOfSeries(studyInstanceUid, head, instances) : undefined,
        papers: (papers.get(head) ?? []).filter((one) => one.kind !== 'report' || reports.has(one.sopInstanceUid)),
        layers: layersOf(instances ?? []),
        error: errors[at],
      }
    })
    return {
      series,
      stacks: series.flatMap((one) => one.stacks ?? []),
      papers: [...papers.values()].flat(),
      layers: series.flatMap((one) => one.layers),
      documents,
      loading: list.isPending || series.some((one) => one.stacks === undefined && !one.error),
      error: list.error ?? errors.find((error) => error !== null) ?? null,
    }
    // `stamp` stands for `data` and `errors`, which are new arrays at each drawing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [heads, stamp, studyInstanceUid, list.isPending, list.error])
}

/** Asks anew which series there are, and what those say that have another number of instances than is known here. */
async function refreshCounted(client: QueryClient, studyInstanceUid: string): Promise<void> {
  forgetOpening(studyInstanceUid)
  await client.invalidateQueries({ queryKey: [...rootOf(studyInstanceUid), 'series'] })
  for (const head of headsOf(client.getQueryData<DicomJson[]>([...rootOf(studyInstanceUid), 'series']) ?? [])) {
    const queryKey = metadataKey(studyInstanceUid, head.seriesInstanceUid)
    const known = client.getQueryData<DicomJson[]>(queryKey)
    if (known && known.length !== head.instances) void client.invalidateQueries({ queryKey })
  }
}
