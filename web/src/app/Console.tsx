/** The console behind the login: live stream, shell, and one lazily loaded screen per route. */
import { lazy } from 'react';
import { Navigate, Route, Routes } from 'react-router';
import { LiveProvider } from '../live/LiveProvider';
import { Shell } from '../shell/Shell';
import { NotFoundPage } from './NotFoundPage';

const OverviewPage = lazy(() => import('../overview/OverviewPage'));
const EventsPage = lazy(() => import('../events/EventsPage'));
const EventPage = lazy(() => import('../event/EventPage'));
const AlertsPage = lazy(() => import('../alerts/AlertsPage'));
const PipelinePage = lazy(() => import('../pipeline/PipelinePage'));

export default function Console() {
  return (
    <LiveProvider>
      <Routes>
        <Route element={<Shell />}>
          <Route index element={<Navigate to="/overview" replace />} />
          <Route path="overview" element={<OverviewPage />} />
          <Route path="events" element={<EventsPage />} />
          <Route path="events/:id" element={<EventPage />} />
          <Route path="alerts" element={<AlertsPage />} />
          <Route path="pipeline" element={<PipelinePage />} />
          <Route path="*" element={<NotFoundPage />} />
        </Route>
      </Routes>
    </LiveProvider>
  );
}
