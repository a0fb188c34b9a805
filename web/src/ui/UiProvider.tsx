import '@mantine/core/styles.css'
import '@mantine/dates/styles.css'
import '@mantine/notifications/styles.css'
import '@mantine/spotlight/styles.css'
import '@mantine/charts/styles.css'
import '@fontsource-variable/ibm-plex-sans/wght.css'
import './tokens.css'
import { MantineProvider } from '@mantine/core'
import { DatesProvider } from '@mantine/dates'
import { Notifications } from '@mantine/notifications'
import { createContext, useContext, useMemo, useState, type ReactNode } from 'react'
import { load, save } from '@/lib/storage'
import { cssVariablesResolver, theme } from './theme'

/** The two rooms of light. */
export type Light = 'reading' | 'desk'
/** What a person chose: always one room, or as each screen is made for. */
export type LightChoice = Light | 'by-screen'

interface LightValue {
  light: Light
  choice: LightChoice
  choose: (choice: LightChoice) => void
  /** The frame tells which light the shown screen is made for. */
  setScreenLight: (light: Light | undefined) => void
}

const LightContext = createContext<LightValue | undefined>(undefined)

export function UiProvider({ children }: { children: ReactNode }) {
  const [choice, setChoice] = useState<LightChoice>(() => load<LightChoice>('light', 'by-screen'))
  const [screenLight, setScreenLight] = useState<Light>()
  const light: Light = choice === 'by-screen' ? (screenLight ?? 'desk') : choice
  const value = useMemo<LightValue>(
    () => ({
      light,
      choice,
      choose: (next) => {
        save('light', next)
        setChoice(next)
      },
      setScreenLight,
    }),
    [light, choice],
  )
  return (
    <LightContext value={value}>
      <MantineProvider
        theme={theme}
        cssVariablesResolver={cssVariablesResolver}
        forceColorScheme={light === 'reading' ? 'dark' : 'light'}
      >
        <DatesProvider settings={{ firstDayOfWeek: 1, consistentWeeks: true }}>
          {children}
          <Notifications position="bottom-right" limit={3} autoClose={5000} transitionDuration={0} />
        </DatesProvider>
      </MantineProvider>
    </LightContext>
  )
}

export function useLight(): LightValue {
  const value = useContext(LightContext)
  if (!value) throw new Error('useLight needs a UiProvider')
  return value
}
