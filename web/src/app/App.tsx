/** What wraps every screen: theme, data, session, and the routes behind the login. */
import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { BrowserRouter } from 'react-router';
import { ApiError } from '../api/client';
import { SessionProvider } from '../session/SessionProvider';
import { colorSchemeManager, theme } from '../theme/theme';
import { Gate } from './Gate';
import { ScreenBoundary } from './ScreenBoundary';

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      refetchOnWindowFocus: false,
      // A refusal stays a refusal; only an unreachable or failing server is worth another try.
      retry: (failures, error) => failures < 2 && error instanceof ApiError && (error.status === 0 || error.status >= 500),
    },
  },
});

export function App() {
  return (
    <StrictMode>
      <MantineProvider
        theme={theme}
        defaultColorScheme="auto"
        colorSchemeManager={colorSchemeManager}
        withCssVariables={false}
        withGlobalClasses={false}
      >
        <ScreenBoundary>
          <QueryClientProvider client={queries}>
            <BrowserRouter>
              <SessionProvider>
                <Gate />
              </SessionProvider>
            </BrowserRouter>
          </QueryClientProvider>
        </ScreenBoundary>
      </MantineProvider>
    </StrictMode>
  );
}
