package review

import (
	"context"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/costexplorer"
	costtypes "github.com/aws/aws-sdk-go-v2/service/costexplorer/types"
)

// PurchasesUSD is the price of the requests for purchases: 0.01 USD for each of two
// (https://aws.amazon.com/aws-cost-management/aws-cost-explorer/pricing/).
const PurchasesUSD = 0.02

// The recommendations are for one year without upfront payment, by the use of the last 30 days. They are of the account, not of an environment.

func (r *reviewer) costExplorer() *costexplorer.Client {
	return costexplorer.NewFromConfig(r.settings, func(options *costexplorer.Options) { options.Region = "us-east-1" }) // the only one
}

// savingsPlans asks for the Compute Savings Plan that would pay.
func (r *reviewer) savingsPlans(ctx context.Context, a *answer) error {
	answer, err := r.costExplorer().GetSavingsPlansPurchaseRecommendation(ctx, &costexplorer.GetSavingsPlansPurchaseRecommendationInput{
		SavingsPlansType: costtypes.SupportedSavingsPlansTypeComputeSp, TermInYears: costtypes.TermInYearsOneYear,
		PaymentOption: costtypes.PaymentOptionNoUpfront, LookbackPeriodInDays: costtypes.LookbackPeriodInDaysThirtyDays,
	})
	if err != nil {
		return err
	}
	if answer.SavingsPlansPurchaseRecommendation == nil || answer.SavingsPlansPurchaseRecommendation.SavingsPlansPurchaseRecommendationSummary == nil {
		a.ok("AWS recommends none for the account")
		return nil
	}
	summary := answer.SavingsPlansPurchaseRecommendation.SavingsPlansPurchaseRecommendationSummary
	saved, err := amount(summary.EstimatedMonthlySavingsAmount)
	if err != nil {
		return err
	}
	hourly, err := amount(summary.HourlyCommitmentToPurchase)
	if err != nil {
		return err
	}
	if saved <= 0 {
		a.ok("AWS recommends none for the account")
		return nil
	}
	a.attention("decide: the commitment cannot be cancelled", "a Compute Savings Plan of %.3f USD an hour for a year would save %.2f USD a month in the account", hourly, saved)
	return nil
}

// reservedNodes asks for the reserved ElastiCache nodes that would pay.
func (r *reviewer) reservedNodes(ctx context.Context, a *answer) error {
	answer, err := r.costExplorer().GetReservationPurchaseRecommendation(ctx, &costexplorer.GetReservationPurchaseRecommendationInput{
		Service: aws.String("Amazon ElastiCache"), TermInYears: costtypes.TermInYearsOneYear,
		PaymentOption: costtypes.PaymentOptionNoUpfront, LookbackPeriodInDays: costtypes.LookbackPeriodInDaysThirtyDays,
	})
	if err != nil {
		return err
	}
	for _, recommendation := range answer.Recommendations {
		if recommendation.RecommendationSummary == nil {
			continue
		}
		saved, err := amount(recommendation.RecommendationSummary.TotalEstimatedMonthlySavingsAmount)
		if err != nil {
			return err
		}
		if saved > 0 {
			a.attention("decide: the reservation cannot be cancelled", "reserved nodes for a year would save %.2f USD a month in the account", saved)
			return nil
		}
	}
	a.ok("AWS recommends none for the account")
	return nil
}

// amount is a number in an answer of Cost Explorer; 0 if it is missing.
func amount(text *string) (float64, error) {
	if aws.ToString(text) == "" {
		return 0, nil
	}
	number, err := strconv.ParseFloat(*text, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not an amount", *text)
	}
	return number, nil
}
