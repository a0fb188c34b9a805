import { render } from '@testing-library/react'
import type { ReactElement, ReactNode } from 'react'
import { UiProvider } from './UiProvider'

/** Draws a part of the interface inside its theme, for tests. */
export function drawn(element: ReactElement) {
  return render(element, { wrapper: ({ children }: { children: ReactNode }) => <UiProvider>{children}</UiProvider> })
}
