/** Catches a screen that fails to render, so that the rest of the console stays usable. */
import { Button } from '@mantine/core';
import { Component, type ReactNode } from 'react';
import { Notice } from '../ui/Notice';

interface State {
  error: Error | null;
}

export class ScreenBoundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: null };

  static getDerivedStateFromError(error: unknown): State {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (error === null) return this.props.children;
    return (
      <Notice
        tone="error"
        title="This screen could not be shown"
        actions={<Button onClick={() => window.location.reload()}>Reload the page</Button>}
      >
        {error.message}. If the console was just updated, reloading fetches the new version.
      </Notice>
    );
  }
}
