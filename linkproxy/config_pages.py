"""Settings of the pages that people may meet; ``config.py`` has all the others."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from linkproxy import config_values as values
from linkproxy.config_types import Anchored, Section, Url


class BrandSection(Section):
    """How the pages that people may meet present themselves."""

    name: str = Field(default="", description="Who sends the mail.", max_length=100)
    colour: Annotated[str, AfterValidator(values.colour)] = Field(
        default="#1f4e79", description="Colour of buttons and links."
    )
    language: Annotated[str, AfterValidator(values.language)] = Field(
        default="en",
        description="Of the pages: de, en, es, fr, it, nl, pt, or one of which templates_dir has the words.",
    )
    home_url: Url = Field(default="", description="Where the pages lead when nothing else fits.")
    imprint_url: Url = Field(default="", description="Legal notice in the pages' footer.")
    templates_dir: Anchored = Field(
        default="", description="Folder with your own templates; those that it lacks are linkproxy's."
    )


class DomainSection(BrandSection):
    """One tracking host: how the pages behind its links present themselves; the rest is as in [brand]."""


class BaitSection(Section):
    """What somebody who follows the bait after all sees."""

    landing: Literal["page", "form", "redirect"] = Field(
        default="page",
        description='A `page` that explains, a `form` ("I am a person"), or a `redirect` to redirect_url.',
    )
    redirect_url: Url = Field(default="", description="Where `redirect` leads.")

    @model_validator(mode="after")
    def _redirect_leads_somewhere(self) -> Self:
        if self.landing == "redirect" and not self.redirect_url:
            raise ValueError('landing: "redirect" needs redirect_url. Set it, or choose "page"')
        return self
