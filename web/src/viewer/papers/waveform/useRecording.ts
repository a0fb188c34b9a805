import { useEffect, useState } from 'react'
import { bytesOf } from '../../bulk'
import { decoded, Trace, type Group } from './samples'

type Recording = { state: 'loading' } | { state: 'here'; of: Group; traces: readonly Trace[] } | { state: 'failed'; words: string }

/** The curves of a group, as soon as its samples are here. */
export function useRecording(group: Group | undefined, attempt: number): Recording {
  const [recording, setRecording] = useState<Recording>({ state: 'loading' })
  useEffect(() => {
    let gone = false
    setRecording({ state: 'loading' })
    if (!group) return
    const load = async (): Promise<Recording> => {
      if (!group.data) return { state: 'failed', words: 'The object says how it was recorded, but holds no samples.' }
      const stored = decoded(await bytesOf(group.data), group.interpretation)
      const traces = group.channels.map((channel) => new Trace(channel, group, stored))
      if (!traces[0]?.count) return { state: 'failed', words: 'The object holds no samples.' }
      return { state: 'here', of: group, traces }
    }
    load().then(
      (next) => (gone ? undefined : setRecording(next)),
      () => (gone ? undefined : setRecording({ state: 'failed', words: 'The samples could not be fetched. They are safe in the archive.' })),
    )
    return () => {
      gone = true
    }
  }, [group, attempt])
  return recording
}
