"""``interestingness serve``: a scorer over HTTP."""

from __future__ import annotations

from interestingness.commands import web
from interestingness.commands.options import Options
from interestingness.library.loading import load


def serve(options: Options) -> None:
    """Serve until Ctrl-C or SIGTERM; what was accepted is finished.

    Raises:
        ConfigError: for options that exclude each other, or without the packages of a server.
        WeightsError: if there is no such scorer, or it has no backbone.
    """
    uvicorn = web.server_package("serve")
    from interestingness.serving.app import ServingLimits, make_app

    scorer = load(
        options.scorer,
        head=options.head,
        weights=options.weights,
        max_pixels=options.max_pixels,
    )
    card = scorer.card
    print(f"scorer   {card.name}: {card.unit}, learnt from {card.learnt_from}")
    print(f"licence  {card.licence}")
    place = web.place_of(options)
    app = make_app(
        scorer,
        token=place.token,
        limits=ServingLimits(waiting=options.queue),
        allow_urls=options.allow_urls,
    )
    print(f"serving  {place.address} ({place.address}docs)")
    if place.token is not None and not options.token_file:
        print(f"token    {place.token}")
    web.serve(uvicorn, app, place)
