"""How the viewer is laid out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from depth_node.viewer.drawing import Entities, library, Series, TIMELINE

ARRIVAL = 'log_time'
"""The timeline of the viewer's own: when something was drawn."""
_EYE, _LOOKS_AT, _UP = (-1.2, -1.6, -2.4), (0.0, 0.2, 2.5), (0.0, -1.0, 0.0)
"""Behind, above and to the left of the camera, in its optical frame (m)."""


def blueprint(names: Sequence[str] = ('',), *, live: bool = False) -> Any:
    """
    Lay the viewer out: the cloud under the camera's frustum, pictures, plots.

    :param names: of the cameras; each of several has a tab.
    :param live: whether to follow what arrives last. The stamps of a running system may start
        again, and the clocks of two machines may differ.
    :returns: a ``rerun.blueprint.Blueprint``.
    """
    library()
    from rerun import blueprint as rrb

    cameras = [Entities(name) for name in names]
    parts = [_camera(rrb, entities, cameras) for entities in cameras]
    return rrb.Blueprint(
        parts[0] if len(parts) == 1 else rrb.Tabs(*parts),
        rrb.TimePanel(
            state='collapsed', timeline=ARRIVAL if live else TIMELINE,
            play_state='following' if live else None,
        ),
        collapse_panels=True,
    )


def _camera(rrb: Any, entities: Entities, cameras: Sequence[Entities]) -> Any:
    """Lay out one camera."""
    def plots(name: str, *series: str) -> Any:
        return rrb.TimeSeriesView(
            name=name, origin=entities.plot(''),
            contents=[f'/{entities.plot(one)}' for one in series],
        )

    def space(name: str, *shown: str) -> Any:
        return rrb.Spatial3DView(
            name=name, origin=entities.optical,
            contents=[f'/{path}' for path in (entities.camera, entities.image, *shown)],
            eye_controls=rrb.EyeControls3D(
                kind='Orbital', position=_EYE, look_target=_LOOKS_AT, eye_up=_UP
            ),
        )

    spatial = rrb.Tabs(
        space('cloud', entities.points, entities.scan),
        space('obstacles', entities.obstacles, entities.scan),
        # the eye stands still and the camera moves
        rrb.Spatial3DView(
            name='world', origin=entities.world if len(cameras) == 1 else 'world', contents=[
                f'/{path}' for one in cameras
                for path in (one.camera, one.image, one.points, one.scan)
            ],
        ),
        active_tab=0,
    )
    return rrb.Horizontal(
        rrb.Vertical(
            spatial,
            rrb.Horizontal(
                plots('scale', Series.SCALE, Series.SIGMA),
                plots('latency', Series.LATENCY, Series.NODE_LATENCY),
                rrb.Tabs(
                    plots('confidence', Series.CONFIDENCE),
                    rrb.TextLogView(name='notes', origin=entities.note),
                    active_tab=0,
                ),
            ),
            row_shares=[3, 1],
        ),
        rrb.Vertical(
            rrb.Spatial2DView(name='camera', origin=entities.image),
            rrb.Spatial2DView(name='depth', origin=entities.camera, contents=[
                f'/{entities.relative}', f'/{entities.depth}'
            ]),
            rrb.Spatial2DView(name='confidence', origin=entities.confidence),
        ),
        column_shares=[2, 1],
        name=entities.name or 'camera',
    )
