import { Spotlight, spotlight } from '@mantine/spotlight'
import { IconSearch } from '@tabler/icons-react'
import { useNavigate } from '@tanstack/react-router'
import { useEffect, useState } from 'react'
import { useActor } from '@/lib/api'
import type { SearchHit, SearchProvider } from '@/lib/feature'
import { showKeys, useKeys } from '@/lib/keys'
import { actionsFor, navFor, searchFor } from './features'

interface Found {
  provider: SearchProvider
  hits: SearchHit[]
}

/** Asks every provider for the text, 150 ms after the last key; an answer that comes too late is dropped. */
function useFound(text: string, providers: SearchProvider[]): { found: Found[]; asking: boolean } {
  const [found, setFound] = useState<Found[]>([])
  const [asking, setAsking] = useState(false)
  useEffect(() => {
    if (text.trim().length < 2) {
      setFound([])
      setAsking(false)
      return undefined
    }
    const stop = new AbortController()
    setAsking(true)
    const timer = setTimeout(() => {
      void Promise.all(
        providers.map(async (provider) => ({
          provider,
          hits: await provider.search(text.trim(), stop.signal).catch(() => []),
        })),
      ).then((all) => {
        if (stop.signal.aborted) return
        setFound(all.filter((entry) => entry.hits.length > 0))
        setAsking(false)
      })
    }, 150)
    return () => {
      stop.abort()
      clearTimeout(timer)
    }
  }, [text, providers])
  return { found, asking }
}

/** Ctrl/⌘ K: any patient, accession number, screen or action from anywhere. */
export function Finder({ opened, onToggle }: { opened: boolean; onToggle: (opened: boolean) => void }) {
  const actor = useActor()
  const navigate = useNavigate()
  const [text, setText] = useState('')
  const [providers] = useState(() => searchFor(actor))
  const { found, asking } = useFound(opened ? text : '', providers)
  useKeys('Everywhere', [{ keys: 'Mod+K', label: 'Find anything', run: () => onToggle(true), inFields: true }])
  useEffect(() => {
    if (opened) spotlight.open()
    else spotlight.close()
  }, [opened])

  const needle = text.trim().toLowerCase()
  const matches = (label: string) => !needle || label.toLowerCase().includes(needle)
  const places = navFor(actor).filter((entry) => matches(entry.label))
  const actions = actionsFor(actor).filter((entry) => matches(entry.label))
  const go = (to: string) => {
    onToggle(false)
    void navigate({ href: to })
  }
  const nothing = !places.length && !actions.length && !found.length
  return (
    <Spotlight.Root
      query={text}
      onQueryChange={setText}
      onSpotlightClose={() => onToggle(false)}
      shortcut={null}
      clearQueryOnClose
      maxHeight={460}
      scrollable
      transitionProps={{ duration: 0 }}
      overlayProps={{ backgroundOpacity: 1, color: 'var(--veil)' }}
    >
      <Spotlight.Search placeholder="Patient, identifier, accession number, screen or action" leftSection={<IconSearch size={18} />} />
      <Spotlight.ActionsList>
        {found.map(({ provider, hits }) => (
          <Spotlight.ActionsGroup key={provider.id} label={provider.label}>
            {hits.map((hit) => (
              <Spotlight.Action key={hit.id} label={hit.label} description={hit.description} onClick={() => go(hit.to)} />
            ))}
          </Spotlight.ActionsGroup>
        ))}
        {actions.length ? (
          <Spotlight.ActionsGroup label="Actions">
            {actions.map((action) => (
              <Spotlight.Action
                key={action.id}
                label={action.label}
                rightSection={action.keys ? <kbd>{showKeys(action.keys)}</kbd> : undefined}
                onClick={() => go(action.to)}
              />
            ))}
          </Spotlight.ActionsGroup>
        ) : null}
        {places.length ? (
          <Spotlight.ActionsGroup label="Screens">
            {places.map((entry) => (
              <Spotlight.Action
                key={entry.to}
                label={entry.label}
                leftSection={<entry.icon size={18} stroke={1.6} />}
                onClick={() => go(entry.to)}
              />
            ))}
          </Spotlight.ActionsGroup>
        ) : null}
        {nothing ? <Spotlight.Empty>{asking ? 'Looking' : 'Nothing found. Try a part of the name or the whole identifier.'}</Spotlight.Empty> : null}
      </Spotlight.ActionsList>
    </Spotlight.Root>
  )
}
