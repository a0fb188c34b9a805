import { useEffect, useRef, useState } from 'react'
import { formatDicomDate } from '@/lib/time'
import type { Stack } from '../stacks'
import type { ViewerStudy } from '../study'
import { blendAtFirst, isLaidOver, judgeFusion, type Blend, type FusionJudgement, type OverUnit } from './fusion'
import type { Scene } from './scene'
import { SliceMissing } from './lay'
import { judgeStack } from './volumes'

/** A series that could be one picture with the planes, or why it must not be. */
export interface Fusible {
  stack: Stack
  label: string
  judged: FusionJudgement
}

/** What is laid over the planes now. */
export interface Fused {
  label: string
  blend: Blend
  unit: OverUnit
  /** The greatest value of it. */
  most: number
}

export interface Candidate {
  study: ViewerStudy
  stack: Stack
}

const LEAST_SLICES = 5

/** What can be fused with a stack: of a PET or a scintigram the slices of another modality, of others those. */
export function fusibleWith(stack: Stack, candidates: readonly Candidate[], study: ViewerStudy): Fusible[] {
  return candidates
    .filter((one) => one.stack.key !== stack.key && one.stack.length >= LEAST_SLICES && isLaidOver(one.stack) !== isLaidOver(stack))
    .filter((one) => isLaidOver(one.stack) || one.stack.modality === 'CT' || one.stack.modality === 'MR')
    .map((one) => ({
      stack: one.stack,
      label: [one.study.study_pk === study.study_pk ? null : formatDicomDate(one.study.study_date), one.stack.modality, one.stack.label].filter(Boolean).join(' · '),
      judged: isLaidOver(stack) ? judgeFusion(one.stack, stack) : judgeFusion(stack, one.stack),
    }))
    .sort((a, b) => Number(b.judged.fits) - Number(a.judged.fits) || b.stack.length - a.stack.length)
}

/** Lays `over` over the planes of a scene that is ready. */
export function useFusion(scene: Scene | null, ready: boolean, under: Stack, over: Stack | null) {
  const [fused, setFused] = useState<Fused | null>(null)
  const [loaded, setLoaded] = useState<number | null>(null)
  const [fault, setFault] = useState<string | null>(null)
  // How it was drawn last: shown again, it looks the same.
  const kept = useRef(new Map<string, Blend>())

  useEffect(() => {
    setFault(null)
    if (!scene || !ready || !over) return
    const judged = judgeFusion(under, over)
    const volume = judgeStack(over)
    if (!judged.fits || !volume.isVolume) {
      setFault(`Not fused: ${judged.fits ? '' : judged.reason}`)
      return
    }
    let stale = false
    setLoaded(0)
    scene
      .layOver(over, volume.uneven?.missing ?? [], (count) => !stale && setLoaded(count))
      .then((laid) => {
        if (stale || !laid) return
        setLoaded(null)
        const blend = kept.current.get(over.key) ?? blendAtFirst(judged.unit, laid.most)
        setFused({ label: [over.modality, over.label].filter(Boolean).join(' · '), blend, unit: judged.unit, most: laid.most })
      })
      .catch((error: unknown) => !stale && setFault(error instanceof SliceMissing ? error.message : 'The other series could not be drawn over the planes; the images are safe.'))
    return () => {
      stale = true
      setFused(null)
      setLoaded(null)
      scene.takeOff()
    }
  }, [scene, ready, under, over])

  const blend = fused?.blend
  useEffect(() => {
    if (!scene || !blend || !over) return
    kept.current.set(over.key, blend)
    scene.blend(blend)
  }, [scene, blend, over])

  return { fused, loaded, fault, setBlend: (next: Blend) => setFused((before) => before && { ...before, blend: next }) }
}
