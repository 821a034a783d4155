"""The fleet as somebody enrols it: portfolios, their status, market eligibility and enrolment checks. Pure."""

from gridiface.aggregation.portfolio.assets import Asset, AssetState, AssetType, Portfolio, SocPolicy, parse_portfolio
from gridiface.aggregation.portfolio.eligibility import Market, Markets, bundled_markets, parse_markets
from gridiface.aggregation.portfolio.qualification import Enrolment, EnrolmentRules, Qualification, enrolments, qualify
from gridiface.aggregation.portfolio.status import ExportCap, PortfolioStatus, ProgramEnrolment, portfolio_status

__all__ = [
    "Asset",
    "AssetState",
    "AssetType",
    "Enrolment",
    "EnrolmentRules",
    "ExportCap",
    "Market",
    "Markets",
    "Portfolio",
    "PortfolioStatus",
    "ProgramEnrolment",
    "Qualification",
    "SocPolicy",
    "bundled_markets",
    "enrolments",
    "parse_markets",
    "parse_portfolio",
    "portfolio_status",
    "qualify",
]
