import { Button } from '@mantine/core'
import { IconMicrophone, IconMicrophoneOff } from '@tabler/icons-react'
import { useEffect, useRef, useState } from 'react'
import { toast } from '@/ui'
import { colourOf, type Together } from './useTogether'
import { Voice } from './voice'

/** Speaking with the others, within one network. Off by itself. */
export function VoiceButton({ together }: { together: Together }) {
  const { line, state } = together
  const voice = useRef<Voice | null>(null)
  const [on, setOn] = useState(false)
  const [heard, setHeard] = useState(0)
  useEffect(() => {
    if (!on) return undefined
    const timer = setInterval(() => setHeard(voice.current?.heard ?? 0), 500)
    return () => clearInterval(timer)
  }, [on])
  const { speakers } = state
  useEffect(() => {
    if (on) voice.current?.meet(speakers.map((one) => one.client))
  }, [on, speakers])
  useEffect(
    () => () => {
      voice.current?.end()
      voice.current = null
    },
    [line],
  )
  const toggle = async () => {
    if (on) {
      voice.current?.end()
      voice.current = null
      setOn(false)
      return
    }
    const made = new Voice(line)
    try {
      await made.begin()
      voice.current = made
      setOn(true)
    } catch {
      toast('No microphone can be used here. Words can be written instead.')
    }
  }
  const names = speakers.map((one) => state.people[colourOf(state.people, one.participant)]?.display_name).filter(Boolean)
  return (
    <>
      <Button variant={on ? 'filled' : 'default'} aria-pressed={on} leftSection={on ? <IconMicrophone size={16} /> : <IconMicrophoneOff size={16} />} onClick={() => void toggle()} data-heard={on ? heard : undefined}>
        {on ? 'Microphone on' : 'Speak (this network)'}
      </Button>
      {names.length ? <small>Speaking: {names.join(', ')}</small> : null}
    </>
  )
}
